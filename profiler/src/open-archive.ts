/** Which store `tetris-profile` keeps its profiles in. */
import {
  createLogger,
  type DocumentStore,
  errorMessage,
  FolderDocuments,
  ownDocuments,
  PluginError,
} from '@tetris/common';
import { CouchStore } from '@tetris/common/couch';
import { defaultArchive } from '@tetris/standalone';
import type { ProfileConfig } from './config';

export interface OpenArchive {
  documents: DocumentStore;
  /** For people; without a password. */
  where: string;
  /** The flag that names such a store. */
  flag: string;
  close: () => Promise<void>;
}

/** @throws PluginError `ERR_CONFIG_INVALID` where several stores are named, or a URL is none */
export function openArchive({ storeUrl, storePrefix, dataPath, archivePath }: ProfileConfig): OpenArchive {
  const named = [storeUrl, dataPath, archivePath].filter((value) => value !== '');
  if (named.length > 1) {
    throw new PluginError('ERR_CONFIG_INVALID', 'profiles are kept in one place: --archive, --data or --store-url');
  }
  const close = async (): Promise<void> => undefined;
  if (dataPath !== '') return { documents: ownDocuments(dataPath), where: dataPath, flag: '--data', close };
  if (storeUrl === '') {
    const folder = archivePath === '' ? defaultArchive() : archivePath;
    return { documents: new FolderDocuments(folder), where: folder, flag: '--archive', close };
  }
  const url = URL.canParse(storeUrl) ? new URL(storeUrl) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new PluginError('ERR_CONFIG_INVALID', `--store-url takes http://user:password@host:port; got '${storeUrl}'`);
  }
  const databases = { whisks: `${storePrefix}whisks` };
  const store = new CouchStore({ url: storeUrl, databases }, createLogger('profile', 'silent'));
  const where = `${url.host}/${databases.whisks}`;
  return { documents: store, where, flag: '--store-url', close: () => store.close() };
}

/**
 * @throws PluginError `ERR_CONFIG_INVALID` that names the flag where the store cannot be read; nothing is measured for
 * it then
 */
export async function checkReadable({ documents, where, flag }: OpenArchive): Promise<void> {
  await documents.getDocument('profile/none').catch((error: unknown) => {
    const text = `${flag} takes a store that can be read; got ${where}: ${errorMessage(error)}`;
    throw new PluginError('ERR_CONFIG_INVALID', text, { cause: error });
  });
}
