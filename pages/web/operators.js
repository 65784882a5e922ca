/** The playground of `npm start`. */
import { html } from './html.js';
import { useLive } from './live.js';
import { MemoryBar, MemoryHeadline, MemoryLegend } from './memory.js';
import { MemoryChart } from './memory-chart.js';
import { Panel, Shell, show } from './shell.js';

function MemoryPanel({ status }) {
  return html`<${Panel} id="memory" title="Memory">
    <${MemoryHeadline} memory=${status.memory} />
    <${MemoryChart} history=${status.history} />
    ${status.nodes.map(
      ({ node, memory }) => memory && html`<${MemoryBar} key=${node} memory=${memory} label=${node} />`,
    )}
    <${MemoryLegend} memory=${status.memory} />
  <//>`;
}

function Playground() {
  const { state: status, open } = useLive('/tetris/events');
  return html`<${Shell} title="Tetris playground" live=${open}>
    ${status === undefined ? html`<p class="loading">The platform starts</p>` : html`<${MemoryPanel} status=${status} />`}
  <//>`;
}

show(Playground);
