/**
 * CouchDB's HTTP API by PouchDB in memory, as a process of its own (`couch.ts` starts it). Its data live as long as the
 * process, so to be away is not to end: the parent says `away`, and nothing listens until `back`.
 */
import type { Server } from 'node:http';
import express from 'express';
import pouchServer from 'express-pouchdb';
import PouchDB from 'pouchdb-core';
import find from 'pouchdb-find';
import mapReduce from 'pouchdb-mapreduce';
import memory from 'pouchdb-adapter-memory';
import replication from 'pouchdb-replication';

const [, , port, configPath] = process.argv;
const database = PouchDB.plugin(memory)
  .plugin(mapReduce)
  .plugin(find)
  .plugin(replication)
  .defaults({ adapter: 'memory' });
const application = express();
application.use(
  pouchServer(database, { mode: 'fullCouchDB', configPath, overrideMode: { exclude: ['routes/fauxton'] } }),
);

let server: Server | undefined;
const listen = (): void => {
  server = application.listen(Number(port), '127.0.0.1', () => process.send?.('back'));
};
const leave = (): void => {
  server?.close(() => process.send?.('away'));
  server?.closeAllConnections();
};

process.on('message', (message) => (message === 'away' ? leave() : listen()));
process.on('disconnect', () => process.exit(0));
listen();
