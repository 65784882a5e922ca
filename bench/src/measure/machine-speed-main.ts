/**
 * Multiplies two matrices again and again, with rests between, and reports the processor time of each product. Started
 * by {@link MachineSpeed}; each message out is such a time, ms.
 */
const ORDER = 80;
/** A product takes 1 to 2 ms: a hundredth of one core. */
const REST_MS = 100;
const WARM_UP_PRODUCTS = 200;

const [left, right, result] = Array.from({ length: 3 }, (_, seed) =>
  Float32Array.from({ length: ORDER * ORDER }, (_, at) => ((at * 31 + seed) % 17) / 17),
) as [Float32Array, Float32Array, Float32Array];

function multiply(): void {
  for (let row = 0; row < ORDER; row += 1) {
    for (let inner = 0; inner < ORDER; inner += 1) {
      const factor = left[row * ORDER + inner] as number;
      for (let column = 0; column < ORDER; column += 1) {
        (result[row * ORDER + column] as number) += factor * (right[inner * ORDER + column] as number);
      }
    }
  }
}

for (let product = 0; product < WARM_UP_PRODUCTS; product += 1) multiply();

setInterval(() => {
  const before = process.cpuUsage();
  multiply();
  const { user, system } = process.cpuUsage(before);
  process.send?.((user + system) / 1000);
}, REST_MS);
process.on('disconnect', () => process.exit());
