import { printable, printableJson } from '../../../tensor-daemon/src/printable';

describe('names of strangers on a terminal', () => {
  it.each([
    ['a colour and a cursor', '\u001b[31mred\u001b[2J', '\\u001b[31mred\\u001b[2J'],
    ['a line that looks like another row', 'one\r\ntwo', 'one\\u000d\\u000atwo'],
    ['NUL, backspace and delete', 'a\0b\bc\u007f', 'a\\u0000b\\u0008c\\u007f'],
    ['C1 controls', 'a\u009b31mb', 'a\\u009b31mb'],
    ['text that runs the other way', 'safe\u202excod.nnx', 'safe\\u202excod.nnx'],
    ['isolates and marks', '\u2066a\u2069\u200f', '\\u2066a\\u2069\\u200f'],
    ['what is not seen', 'a\u200bb\ufeff\u00ad', 'a\\u200bb\\ufeff\\u00ad'],
    ['line separators', 'a\u2028b\u2029', 'a\\u2028b\\u2029'],
    ['half a character', 'a\ud800b', 'a\\ud800b'],
    ['tags beyond the first plane', 'a\u{e0041}', 'a\\udb40\\udc41'],
  ])('shows %s by its code', (_what, text, expected) => {
    expect(printable(text)).toBe(expected);
    expect(JSON.parse(printableJson({ text }))).toEqual({ text });
    expect(printableJson({ text })).toMatch(/^\{\n {2}"text": "[\x20-\x7e]*"\n\}$/);
  });

  it('leaves what can be read as it is', () => {
    const text = 'modèle/模型 v2 — «größer» 🙂.onnx';
    expect(printable(text)).toBe(text);
    expect(JSON.parse(printableJson({ text }))).toEqual({ text });
  });
});
