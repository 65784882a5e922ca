// An action that runs an Identity on a tensor made as it is told to, and tells what became of the tensor's memory.
const vm = require('node:vm');
const ort = require('onnxruntime-node');

const CLASSES = {
  float32: 'Float32Array',
  float64: 'Float64Array',
  float16: globalThis.Float16Array === undefined ? 'Uint16Array' : 'Float16Array',
  int8: 'Int8Array',
  uint8: 'Uint8Array',
  bool: 'Uint8Array',
  int16: 'Int16Array',
  uint16: 'Uint16Array',
  int32: 'Int32Array',
  uint32: 'Uint32Array',
  int64: 'BigInt64Array',
  uint64: 'BigUint64Array',
};

/** A class whose every method and getter that a copy could be made with does something else. */
function overriding(Class) {
  return class extends Class {
    static get [Symbol.species]() {
      return DataView;
    }
    slice() {
      return this;
    }
    subarray() {
      return this;
    }
    set() {}
    *[Symbol.iterator]() {}
    get byteLength() {
      return 0;
    }
    get byteOffset() {
      return 1;
    }
  };
}

/** An array of `length` elements of `Class` in memory of some kind; a Buffer where elements are bytes. */
const MEMORIES = {
  own: (Class, length) => new Class(length),
  part: (Class, length) =>
    new Class(new ArrayBuffer((length + 3) * Class.BYTES_PER_ELEMENT), Class.BYTES_PER_ELEMENT, length),
  overriding: (Class, length) => new (overriding(Class))(length),
  buffer: (Class, length) => (Class === Uint8Array ? Buffer.alloc(length) : overPool(Class, length)),
  pooled: (Class, length) => (Class === Uint8Array ? Buffer.from('x'.repeat(length)) : overPool(Class, length)),
  shared: (Class, length) => new Class(new SharedArrayBuffer(length * Class.BYTES_PER_ELEMENT)),
  resizable: (Class, length) => {
    const bytes = length * Class.BYTES_PER_ELEMENT;
    return new Class(new ArrayBuffer(bytes, { maxByteLength: 2 * bytes + 8 }));
  },
  // Memory that belongs to somebody else and cannot be transferred.
  external: (Class, length) => new Class(new WebAssembly.Memory({ initial: 1 }).buffer, 16, length),
};

function overPool(Class, length) {
  const pooled = Buffer.allocUnsafe(length * Class.BYTES_PER_ELEMENT + 8);
  return new Class(pooled.buffer, pooled.byteOffset + (8 - (pooled.byteOffset % 8)), length);
}

const ABSTRACT = Object.getPrototypeOf(Uint8Array.prototype);
const own = (name, array) => Reflect.get(ABSTRACT, name, array);
const bytesOf = (array) => Buffer.from(own('buffer', array), own('byteOffset', array), own('byteLength', array));

/** Tensors as other copies and builds of onnxruntime-common, or none, make them. */
const MAKERS = {
  tensor: (type, data, dims) => new ort.Tensor(type, data, dims),
  object: (type, data, dims) => ({ type, data, dims, location: 'cpu' }),
  bare: (type, data, dims) => Object.assign(Object.create(null), { type, data, dims, location: 'cpu' }),
  proxy: (type, data, dims) => new Proxy(new ort.Tensor(type, data, dims), {}),
  minified: (type, data, dims) =>
    new (class a {
      get type() {
        return type;
      }
      get data() {
        return data;
      }
      get dims() {
        return dims;
      }
      get location() {
        return 'cpu';
      }
    })(),
  realm: (type, data, dims) =>
    vm.runInNewContext('Object.assign(Object.create(null), { type, data, dims, location: "cpu" })', {
      type,
      data,
      dims,
    }),
};

const sessions = new Map();
function sessionOf(model) {
  if (!sessions.has(model)) sessions.set(model, ort.InferenceSession.create(model));
  return sessions.get(model);
}

exports.main = async ({ model, type, memory, maker, given, texts, bareFeeds, preallocated, times }) => {
  const session = await sessionOf(model);
  const source = Buffer.from(given ?? '', 'base64');
  const Class = globalThis[CLASSES[type]];
  const length = texts === undefined ? source.length / Class.BYTES_PER_ELEMENT : texts.length;
  const dims = [length / 2, 2];
  const fill = (array) => (bytesOf(array).set(source), array);
  const data = texts ?? fill(MEMORIES[memory](Class, length));
  const whole = texts === undefined ? own('buffer', data).byteLength : 0;
  const feeds = { [session.inputNames[0]]: MAKERS[maker](type, data, dims) };
  const fed = bareFeeds ? Object.assign(Object.create(null), feeds) : feeds;
  const [output] = session.outputNames;
  const wanted = Array.from({ length: times }, () =>
    preallocated
      ? new ort.Tensor(type, texts === undefined ? MEMORIES[memory](Class, length) : [...texts], dims)
      : undefined,
  );
  const results = await Promise.all(
    wanted.map((target) => (target === undefined ? session.run(fed) : session.run(fed, { [output]: target }))),
  );
  const shown = ({ data }) => (texts === undefined ? bytesOf(data).toString('base64') : data);
  return {
    intact: texts === undefined ? shown({ data }) === given && own('buffer', data).byteLength === whole : true,
    outputs: results.map((result) => shown(result[output])),
    written: wanted.filter((target) => target !== undefined).map(shown),
    classes: [...new Set(results.map((result) => result[output].data.constructor.name))],
    expectedClass: texts === undefined ? CLASSES[type] : 'Array',
    tensors: results.every((result) => result[output] instanceof ort.Tensor && result[output].type === type),
  };
};
