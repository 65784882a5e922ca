/** The code of an action, asked for as any client of OpenWhisk does. */
import { PluginError } from '@tetris/common';
import type { ProfileConfig } from '../config';

const TIMEOUT_MS = 60_000;

/** @throws PluginError `ERR_MODEL_NOT_FOUND` with what the API says */
export async function actionCode(
  { apiHost, apiKey }: Pick<ProfileConfig, 'apiHost' | 'apiKey'>,
  action: string,
): Promise<{ code: string; binary: boolean }> {
  if (apiHost === '') {
    throw new PluginError(
      'ERR_MODEL_NOT_FOUND',
      'no OpenWhisk is configured to ask for actions (TETRIS_PROFILE_API_HOST)',
    );
  }
  const path = action.replace(/^\//, '').split('/').map(encodeURIComponent);
  const [namespace, ...name] = action.startsWith('/') ? path : ['_', ...path];
  const response = await fetch(`${apiHost}/api/v1/namespaces/${namespace}/actions/${name.join('/')}?code=true`, {
    headers: { authorization: `Basic ${Buffer.from(apiKey).toString('base64')}` },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const body = (await response.json()) as { error?: string; exec?: { code?: string; binary?: boolean } };
  if (!response.ok)
    throw new PluginError('ERR_MODEL_NOT_FOUND', `action ${action}: ${body.error ?? response.statusText}`);
  return { code: body.exec?.code ?? '', binary: body.exec?.binary ?? false };
}
