export * from './proto/index';
