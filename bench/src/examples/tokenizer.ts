/** What transformers.js reads beside a model: the tokenizer and its settings, in the files that hubs have of them. */

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]'] as const;
const LETTERS = [...'abcdefghijklmnopqrstuvwxyz0123456789'];
const WORDS = ['the', 'a', 'is', 'in', 'of', 'and', 'cat', 'dog', 'sun', 'rain', 'plays', 'shines', 'today', 'again'];

/** Token by id: words, and for all others their letters. */
const VOCABULARY: readonly string[] = [
  ...SPECIAL,
  ...new Set([...WORDS, ...LETTERS, ...LETTERS.map((letter) => `##${letter}`), '.', ',', '!', '?']),
];
export const VOCABULARY_SIZE = VOCABULARY.length;

const idOf = (token: string): number => VOCABULARY.indexOf(token);
const special = (token: string): object => ({ SpecialToken: { id: token, type_id: 0 } });

/** Files by name, as JSON values. */
export function tokenizerFiles(): Record<string, object> {
  return {
    'config.json': { model_type: 'bert', architectures: ['BertModel'], hidden_size: 64, vocab_size: VOCABULARY_SIZE },
    'tokenizer_config.json': {
      tokenizer_class: 'BertTokenizer',
      do_lower_case: true,
      model_max_length: 128,
      pad_token: '[PAD]',
      unk_token: '[UNK]',
      cls_token: '[CLS]',
      sep_token: '[SEP]',
    },
    'tokenizer.json': {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: SPECIAL.map((content) => ({ id: idOf(content), content, special: true, ...PLAIN })),
      normalizer: { type: 'BertNormalizer', clean_text: true, lowercase: true, strip_accents: null },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      post_processor: {
        type: 'TemplateProcessing',
        single: [special('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, special('[SEP]')],
        pair: [special('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, special('[SEP]')],
        special_tokens: Object.fromEntries(
          ['[CLS]', '[SEP]'].map((token) => [token, { id: token, ids: [idOf(token)], tokens: [token] }]),
        ),
      },
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
      model: {
        type: 'WordPiece',
        unk_token: '[UNK]',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab: Object.fromEntries(VOCABULARY.map((token, id) => [token, id])),
      },
    },
  };
}

const PLAIN = { single_word: false, lstrip: false, rstrip: false, normalized: false };
