import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLogger } from '@tetris/common';
import { CouchClient } from '../../../../common/src/entities/couch-client';
import { CouchStore } from '../../../../common/src/entities/couch-store';
import { anActivation } from '../../../support/entities';

let server: Server;
let url = '';
/** Answers of the database, one for each request; the last one stays. */
let answers: { status: number; body: unknown }[] = [];
let requests = 0;

beforeAll(async () => {
  server = createServer((request, reply) => {
    requests += 1;
    const { status, body } = (answers.length > 1 ? answers.shift() : answers[0]) ?? { status: 500, body: {} };
    request.resume().once('end', () => {
      reply.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://user:word@127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => (requests = 0));
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('CouchClient', () => {
  it.each([
    [400, 'ERR_DOCUMENT_INVALID', false],
    [401, 'ERR_STORE_UNAVAILABLE', true],
    [403, 'ERR_STORE_UNAVAILABLE', true],
    [404, 'ERR_DOCUMENT_NOT_FOUND', false],
    [409, 'ERR_DOCUMENT_CONFLICT', false],
    [412, 'ERR_DOCUMENT_CONFLICT', false],
    [413, 'ERR_DOCUMENT_INVALID', false],
    [429, 'ERR_STORE_UNAVAILABLE', true],
    [500, 'ERR_STORE_UNAVAILABLE', true],
    [503, 'ERR_STORE_UNAVAILABLE', true],
  ])('expected failure: %d is %s, retriable: %s, for reading and for writing', async (status, code, retriable) => {
    answers = [{ status, body: { error: 'e', reason: 'r' } }];
    const client = new CouchClient(url, 5_000);
    for (const method of ['GET', 'POST']) {
      const asked = client.json(method, ['whisks', 'a/b'], method === 'POST' ? { json: {} } : {});
      await expect(asked).rejects.toMatchObject({ code, retriable, fields: { status } });
    }
    await expect(client.bytes(['whisks', 'a/b', 'code'])).rejects.toMatchObject({ code, retriable });
    expect(requests).toBe(3);
  });
});

describe('CouchStore', () => {
  const store = (): CouchStore => new CouchStore({ url }, createLogger('test', 'silent'));

  it.each([401, 403, 500])('keeps the records that are answered with %d', async (status) => {
    answers = [
      { status, body: { error: 'forbidden', reason: 'You are not allowed to access this db.' } },
      { status: 201, body: [{ ok: true }] },
    ];
    const subject = store();
    subject.putActivation(anActivation());
    await subject.flush();
    expect([requests, subject.recordsDropped]).toEqual([2, 0]);
    await subject.close();
  });

  it.each([
    ['forbidden', 1],
    ['unauthorized', 2],
    ['internal_server_error', 2],
    ['conflict', 1],
  ])('of a record that is answered with %s there are %d tries', async (error, tries) => {
    answers = [
      { status: 201, body: [{ error, reason: 'r' }] },
      { status: 201, body: [{ ok: true }] },
    ];
    const subject = store();
    subject.putActivation(anActivation());
    await subject.flush();
    expect([requests, subject.recordsDropped]).toEqual([tries, error === 'forbidden' ? 1 : 0]);
    await subject.close();
  });
});
