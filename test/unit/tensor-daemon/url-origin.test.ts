import { UrlOrigin } from '../../../tensor-daemon/src/source/url-origin';

const origin = new UrlOrigin({
  urlSources: ['https://models.example/public', 'http://127.0.0.1:8080/'],
  urlPrivateAllowed: false,
  urlTimeoutMs: 1_000,
  urlFetchMs: 1_000,
});

describe('UrlOrigin.allowed', () => {
  it.each([
    'https://models.example/public',
    'https://models.example/public/a/model.onnx?revision=1',
    'https://models.example/public/a..b/..model.onnx',
    'https://models.example/public/with%20space%2Finside.onnx',
    'http://127.0.0.1:8080/anything',
  ])('%s', (url) => {
    expect(origin.allowed(url).href).toBe(url);
  });

  it.each([
    ...['https://models.example/publicity/a', 'https://models.example/', 'http://models.example/public/a'],
    ...['https://models.example/public/../secret', 'https://models.example/public/%2e%2e/secret'],
    ...['https://models.example/public/..%2fsecret', 'https://models.example/public/..%5csecret'],
    ...['https://models.example/public/a%2f..%2f..%2fsecret', 'https://models.example/public/%2E%2E%2Fsecret'],
    ...['https://models.example/public/..%252fsecret', 'https://models.example/public/%25252e%252e%2fsecret'],
    ...['https://models.example/public/..;/secret', 'https://models.example/public/%00', 'no url', ''],
    ...['https://user@models.example/public/a', 'https://models.example/public/%c0%ae%c0%ae/secret'],
  ])('bad call: %s', (url) => {
    expect(() => origin.allowed(url)).toThrow(expect.objectContaining({ code: 'ERR_MODEL_SOURCE_UNKNOWN' }));
  });
});
