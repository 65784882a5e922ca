export { type Access, isLocalHost, isSameOrigin, requireAccess } from './access';
export { EventStream, type EventStreamOptions } from './event-stream';
export { type PageOptions, sendPage, serveAssets, wantsPage } from './page';
export { proxyTo, type ProxyOptions } from './proxy';
export { selfContained } from './self-contained';
