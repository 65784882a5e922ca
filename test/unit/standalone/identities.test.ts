import { GUEST, Identities, parseSubject } from '../../../standalone/src/controller/identities';

const SECRET = 'x'.repeat(64);
const UUID = '11111111-2222-4333-8444-555555555555';
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

describe('Identities', () => {
  const identities = new Identities([GUEST, parseSubject(`vision=${UUID}:${SECRET}`)]);

  it('knows each subject by its whole key', () => {
    expect(identities.authenticate(basic(GUEST.key))?.name).toBe('guest');
    expect(identities.authenticate(basic(`${UUID}:${SECRET}`))?.name).toBe('vision');
  });

  it.each([
    undefined,
    '',
    'Basic',
    'Bearer x',
    basic(UUID),
    basic(`${UUID}:`),
    basic(`${UUID}:${'y'.repeat(64)}`),
    basic(`${UUID}:${SECRET}x`),
  ])('bad call: does not know %p', (header) => {
    expect(identities.authenticate(header)).toBeUndefined();
  });

  it.each(['vision', `vision=${UUID}`, `vis=${UUID}:${SECRET}`, `vision=${UUID}:short`, `vision=x:${SECRET}`])(
    'bad call: refuses the subject %p without repeating its secret',
    (text) => {
      expect(() => parseSubject(text)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
      expect(() => parseSubject(text)).not.toThrow(/short|xxx/);
    },
  );
});
