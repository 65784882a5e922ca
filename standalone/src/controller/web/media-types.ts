/** Which content is text. Source: `MediaTypes.scala` of the HTTP library that OpenWhisk uses. */

/** A content type without its parameters, in lower case, and whether it names a charset. */
export interface MediaType {
  type: string;
  hasCharset: boolean;
}

const TOKEN = "[\\w!#$%&'*+.^`|~-]+";
const MEDIA_TYPE = new RegExp(`^\\s*(${TOKEN}/${TOKEN})\\s*((?:;\\s*${TOKEN}=(?:${TOKEN}|"[^"]*")\\s*)*);?\\s*$`);

/** Undefined for what is no media type. */
export function parseMediaType(text: string): MediaType | undefined {
  const [, type, parameters = ''] = MEDIA_TYPE.exec(text) ?? [];
  return type === undefined ? undefined : { type: type.toLowerCase(), hasCharset: /;\s*charset=/i.test(parameters) };
}

export const isJson = ({ type }: MediaType): boolean => type === 'application/json' || type.endsWith('+json');

const TEXT_APPLICATIONS = new Set(
  ['atom+xml', 'base64', 'javascript', 'rss+xml', 'soap+xml', 'x-javascript', 'xhtml+xml', 'xml', 'xml-dtd'].map(
    (subtype) => `application/${subtype}`,
  ),
);
const FORM = 'application/x-www-form-urlencoded';

/** What is not text travels as base64 within JSON. An unknown type is text where it names a charset. */
export function isText(media: MediaType): boolean {
  const { type, hasCharset } = media;
  return type.startsWith('text/') || isJson(media) || TEXT_APPLICATIONS.has(type) || type === FORM || hasCharset;
}

export const isForm = ({ type }: MediaType): boolean => type === FORM;
