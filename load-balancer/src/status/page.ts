/** The page itself: static, self-contained, fed by `/status`. Texts from outside enter through `textContent` only. */
export const STATUS_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Tetris load balancer</title>
<style>
  body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem; color: #222 }
  table { border-collapse: collapse; margin: 0 0 2rem }
  th, td { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: right }
  th:first-child, td:first-child, td.text { text-align: left }
  .off { color: #b00 }
  meter { width: 10rem }
</style>
</head>
<body>
<h1>Tetris load balancer</h1>
<p id="load">loading</p>
<h2>Invokers</h2>
<table><thead><tr><th>id</th><th>node</th><th>flavour</th><th>state</th><th>memory used</th><th>in flight here</th>
<th>running and waiting</th><th>warm actions</th></tr></thead><tbody id="invokers"></tbody></table>
<h2>Actions and the nodes that hold their tensors</h2>
<table><thead><tr><th>action</th><th>tensors</th><th>theta</th></tr></thead><tbody id="actions"></tbody></table>
<script>
const mib = (bytes) => Math.round(bytes / 1048576) + ' MiB';
const cell = (content) => {
  const td = document.createElement('td');
  if (content instanceof Node) td.append(content); else td.textContent = content;
  return td;
};
const row = (cells) => { const tr = document.createElement('tr'); tr.append(...cells.map(cell)); return tr };
const used = (one) => {
  const span = document.createElement('span');
  const meter = document.createElement('meter');
  meter.max = one.memoryBytes; meter.value = one.memoryBytes - one.availableBytes;
  span.append(meter, ' ' + mib(one.memoryBytes - one.availableBytes) + ' of ' + mib(one.memoryBytes));
  return span;
};
async function refresh() {
  try {
    const status = await (await fetch('status')).json();
    document.getElementById('load').textContent = status.inFlight + ' activations in flight, ' + status.waiting +
      ' waiting; ' + status.sizes.tensors + ' tensors of ' + status.sizes.actions + ' actions on ' +
      status.sizes.nodes + ' nodes';
    document.getElementById('invokers').replaceChildren(...status.invokers.map((one) => {
      const tr = row([one.instance, one.node ?? '', one.flavour, one.usable ? 'usable' : 'not usable', used(one),
        one.inFlight, one.reportedLoad, one.instances]);
      if (!one.usable) tr.className = 'off';
      return tr;
    }));
    document.getElementById('actions').replaceChildren(...status.actions.map((one) => row([one.action,
      mib(one.tensorBytes), one.nodes.map(({ node, theta }) => node + ' ' + theta.toFixed(2)).join(', ')])));
  } catch (error) {
    document.getElementById('load').textContent = 'no answer: ' + error.message;
  }
}
refresh();
setInterval(refresh, 2000);
</script>
</body>
</html>
`;
