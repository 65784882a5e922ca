import {
  activationSpan,
  isSampled,
  newActivationId,
  parseTraceparent,
  type SpanName,
  SPANS,
  spanIdOf,
  traceparentOf,
} from '@tetris/common';
import { randomInt } from 'node:crypto';

const ACTIVATION = { activationId: 'a'.repeat(32), transid: ['Zt4vQ9mB1xKc7LwYp3RsNf6HdJ2aGe80', 1_000] };
const NAMES = Object.keys(SPANS) as SpanName[];

describe('the spans of an activation', () => {
  it('have ids that every component finds by itself, unlike within a trace and between traces', () => {
    const ids = [ACTIVATION.activationId, 'b'.repeat(32)].flatMap((id) => NAMES.map((name) => spanIdOf(id, name)));
    expect(new Set(ids).size).toBe(2 * NAMES.length);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{16}$/);
  });

  it('hang together: each but the first is part of another that is told too', () => {
    const spans = NAMES.map((name) => activationSpan(ACTIVATION, name, { startMs: 1, endMs: 2 }));
    const known = new Set(spans.map(({ spanId }) => spanId));
    const roots = spans.filter(({ parentId }) => parentId === undefined);
    expect(roots.map(({ name }) => name)).toEqual(['controller']);
    expect(spans.filter(({ parentId }) => parentId !== undefined && !known.has(parentId))).toEqual([]);
    expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([ACTIVATION.activationId]));
  });

  it("carry OpenWhisk's transid, and leave out what is not known", () => {
    const { attributes } = activationSpan(
      ACTIVATION,
      'wait',
      { startMs: 1, endMs: 2 },
      { given: 1, lacking: undefined },
    );
    expect(attributes).toEqual({
      'openwhisk.transid': ACTIVATION.transid[0],
      'openwhisk.activation_id': ACTIVATION.activationId,
      given: 1,
    });
  });

  it('are named to others by a header that says which activation and which span', () => {
    expect(parseTraceparent(traceparentOf(ACTIVATION.activationId, 'runtime run'))).toEqual({
      traceId: ACTIVATION.activationId,
      parentId: spanIdOf(ACTIVATION.activationId, 'runtime run'),
    });
  });

  it.each([undefined, '', '00-zz-1-01', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`, ['x']])(
    'bad call: %p names no span',
    (header) => expect(parseTraceparent(header)).toBeUndefined(),
  );

  it('are told of a share of all activations, the same ones by everybody', () => {
    const ids = Array.from({ length: 1_000 }, newActivationId);
    expect(ids.every((id) => isSampled(id, 1))).toBe(true);
    expect(ids.some((id) => isSampled(id, 0))).toBe(false);
    const ratio = randomInt(20, 80) / 100;
    const share = ids.filter((id) => isSampled(id, ratio)).length / ids.length;
    expect(Math.abs(share - ratio)).toBeLessThan(0.1);
    expect(ids.filter((id) => isSampled(id, ratio) && !isSampled(id, ratio + 0.1))).toEqual([]);
  });
});
