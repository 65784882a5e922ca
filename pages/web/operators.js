/** The operators' page of a cluster: reads only. */
import { count } from './format.js';
import { html } from './html.js';
import { useLive } from './live.js';
import { MemoryBar, MemoryHeadline, MemoryLegend } from './memory.js';
import { MemoryChart } from './memory-chart.js';
import { Functions } from './operators-functions.js';
import { Nodes } from './operators-nodes.js';
import { Overlap } from './operators-overlap.js';
import { Placements, Ways } from './operators-trail.js';
import { Panel, Shell, show } from './shell.js';

function Operators({ profiles }) {
  const { state: status, ...live } = useLive('/tetris/events');
  const links = [
    { href: '/', text: 'Cluster', current: true },
    ...(profiles ? [{ href: '/tetris/profile', text: 'Profiles' }] : []),
  ];
  if (status === undefined)
    return html`<${Shell} title="Tetris operators" links=${links} live=${live}><p class="loading">Loading</p><//>`;
  const usable = status.nodes.filter((node) => node.usable).length;
  return html`<${Shell} title="Tetris operators" links=${links} live=${live}>
    <div class="two even">
      <${Panel}
        id="memory"
        title="Memory of the cluster"
        note=${`${count(status.inFlight, 'activation')} in flight, ${status.waiting} waiting`}
      >
        <${MemoryHeadline} memory=${status.memory} />
        <${MemoryBar} memory=${status.memory} label="Cluster" />
        <${MemoryLegend} memory=${status.memory} />
        <${MemoryChart} history=${status.history} height=${170} />
      <//>
      <${Panel} id="nodes" title="Nodes" note=${`${usable} of ${status.nodes.length} usable`}
        ><${Nodes} nodes=${status.nodes}
      /><//>
      <${Functions} functions=${status.functions} />
      <${Overlap} functions=${status.functions} />
      <${Panel} id="placements" title="Placements"><${Placements} placements=${status.placements} /><//>
      <${Panel} id="ways" title="Activations"><${Ways} activations=${status.activations} /><//>
    </div>
  <//>`;
}

show(Operators);
