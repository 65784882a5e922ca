// A small action runtime for tests of the invoker's side: plain code only, and replies that a good runtime never gives.
// `args.do` of an activation: exit, hang, chunked, refuse (status 503), raw (body as is), silent (no sentinels), eat (memory), sleep.
const http = require('node:http');

const tags = process.env.TETRIS_RUNTIME_LOG_TAGS === 'true';
const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';
let main;

function write(stream, id, text) {
  return new Promise((resolve) => stream.write(`${tags ? `\u0001${id}\u0001` : ''}${text}\n`, resolve));
}

async function sentinels(id) {
  await Promise.all([write(process.stdout, id, SENTINEL), write(process.stderr, id, SENTINEL)]);
}

function answer(response, status, value) {
  const body = typeof value === 'string' ? value : JSON.stringify(value);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

async function init(response, { value }) {
  const id = value.env.__OW_ACTIVATION_ID;
  Object.assign(process.env, value.env);
  if (value.code.startsWith('exit')) process.exit(3);
  if (value.code.startsWith('hang')) return;
  try {
    main = new Function(`${value.code}; return ${value.main};`)();
    process.env.TEST_INIT = JSON.stringify(value);
    answer(response, 200, { OK: true });
  } catch (error) {
    await write(process.stderr, id, `Error during initialization: ${error}`);
    await sentinels(id);
    answer(response, 502, { error: `Initialization has failed due to: ${error}` });
  }
}

const misbehave = {
  exit: () => process.exit(1),
  hang: () => undefined,
  chunked: (response) => {
    response.write('{"chunked":');
    response.end('true}');
  },
  refuse: (response) => answer(response, 503, { error: 'shutting down' }),
  raw: (response, { status, body }) => answer(response, status, body),
  eat: () => {
    const eaten = [];
    setInterval(() => eaten.push(Buffer.alloc(16 * 1024 * 1024, 1)), 5);
  },
};

async function run(response, request) {
  const id = request.activation_id;
  const how = misbehave[request.value.do];
  if (how !== undefined) {
    if (request.value.do === 'raw' || request.value.do === 'chunked') await sentinels(id);
    return how(response, request.value);
  }
  if (request.value.sleepMs) await new Promise((resolve) => setTimeout(resolve, request.value.sleepMs));
  if (request.value.print) await write(process.stdout, id, request.value.print);
  const result = await main(request.value, request);
  if (request.value.do !== 'silent') await sentinels(id);
  answer(response, 200, result);
}

http
  .createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString());
      void (request.url === '/init' ? init(response, body) : run(response, body));
    });
  })
  .listen(process.env.TETRIS_RUNTIME_LISTEN);
