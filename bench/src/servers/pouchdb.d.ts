/** What `couch-server.ts` uses of packages that bring no types. */
declare module 'pouchdb-core' {
  interface PouchConstructor {
    plugin(plugin: unknown): PouchConstructor;
    defaults(options: { adapter: string }): PouchConstructor;
  }
  const PouchDB: PouchConstructor;
  export default PouchDB;
}
declare module 'pouchdb-find';
declare module 'pouchdb-replication';
declare module 'pouchdb-mapreduce';
declare module 'pouchdb-adapter-memory';
declare module 'express-pouchdb' {
  interface PouchServerOptions {
    mode: 'fullCouchDB';
    configPath: string | undefined;
    overrideMode: { exclude: string[] };
  }
  export default function pouchServer(database: unknown, options: PouchServerOptions): () => void;
}
declare module 'express' {
  import type { Server } from 'node:http';
  interface Application {
    use(handler: unknown): void;
    listen(port: number, host: string, listening: () => void): Server;
  }
  export default function express(): Application;
}
