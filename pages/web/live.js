/** State that the server pushes. */
import { useEffect, useState } from 'preact/hooks';

/** After a refusal it is tried again so soon, ms: browsers do that by themselves only where a connection breaks. */
const RETRY_MS = 2_000;

/**
 * The last state of a stream of server-sent events, and how the stream is. Hidden pages watch nothing, so that
 * a forgotten tab costs nobody anything.
 * @returns {{ state: any, link: 'connecting' | 'live' | 'lost', atMs: number | undefined }} `state`, and when it came, undefined until
 *   the first has come
 */
export function useLive(url) {
  const [live, setLive] = useState({ state: undefined, link: 'connecting', atMs: undefined });
  useEffect(() => {
    let source;
    let retry;
    const open = () => {
      source = new EventSource(url);
      source.onmessage = ({ data }) =>
        setLive({ state: JSON.parse(data) ?? undefined, link: 'live', atMs: Date.now() });
      source.onerror = ({ target }) => {
        setLive((live) => ({ ...live, link: 'lost' }));
        if (target.readyState === EventSource.CLOSED) retry = setTimeout(visible, RETRY_MS);
      };
    };
    const close = () => {
      clearTimeout(retry);
      source?.close();
    };
    const visible = () => {
      close();
      if (document.visibilityState === 'visible') open();
    };
    visible();
    document.addEventListener('visibilitychange', visible);
    return () => {
      document.removeEventListener('visibilitychange', visible);
      close();
    };
  }, [url]);
  return live;
}

/** What an address answers, asked for again when `url` or `turn` changes. @returns {{ value: any, error: string | undefined }} */
export function useAnswer(url, turn) {
  const [answer, setAnswer] = useState({ value: undefined, error: undefined });
  useEffect(() => {
    if (url === undefined) return setAnswer({ value: undefined, error: undefined });
    const left = new AbortController();
    answerOf(url, { signal: left.signal })
      .then((value) => setAnswer({ value, error: undefined }))
      .catch((error) => !left.signal.aborted && setAnswer(({ value }) => ({ value, error: error.message })));
    return () => left.abort();
  }, [url, turn]);
  return answer;
}

/** JSON from the server. @throws Error with the server's own words */
export async function answerOf(url, options) {
  const response = await fetch(url, options);
  const text = await response.text();
  const value = text === '' ? undefined : parsed(text);
  if (response.ok) return value;
  throw new Error(typeof value?.error === 'string' ? value.error : `${response.status} ${response.statusText}`);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
