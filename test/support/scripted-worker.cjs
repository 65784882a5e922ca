// An inference worker without onnxruntime, which does what the one text in a run's feed says.
const { parentPort, threadId } = require('node:worker_threads');

const INFO = { inputNames: ['x'], outputNames: ['y'], inputMetadata: [], outputMetadata: [] };
let received = 0;
let before = Promise.resolve();

async function answer({ kind, file, feeds }) {
  if (kind === 'load') {
    if (file.path === 'broken') throw new Error('no such model');
    return { info: INFO };
  }
  if (kind !== 'run') return {};
  const [word, number] = feeds.x.tensor.data[0].split(' ');
  if (word === 'die') process.exit(3);
  if (word === 'fail') throw new RangeError('bad input');
  if (word === 'wait') await new Promise((resolve) => setTimeout(resolve, Number(number)));
  return { outputs: { y: { type: 'string', dims: [1], data: [`${word} ${threadId}`] } } };
}

// In order, as the real one: a request waits for the one before it.
parentPort.on('message', (request) => {
  const id = ++received;
  before = before
    .then(() => answer(request))
    .then(
      (answered) => parentPort.postMessage({ id, ok: true, ...answered }),
      ({ name, message }) => parentPort.postMessage({ id, ok: false, error: { name, message } }),
    );
});
