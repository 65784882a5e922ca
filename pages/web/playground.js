/** The playground of `npm start`. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { Api } from './api.js';
import { count } from './format.js';
import { html } from './html.js';
import { totalOf } from './instances.js';
import { answerOf, useLive } from './live.js';
import { MemoryBar, MemoryHeadline, MemoryLegend } from './memory.js';
import { MemoryChart } from './memory-chart.js';
import { OverlapOfTwo } from './overlap.js';
import { Activations } from './playground-activations.js';
import { CreateForm } from './playground-create.js';
import { functionRows, FunctionsTable } from './playground-functions.js';
import { InvokeForm } from './playground-invoke.js';
import { Panel, Shell, show } from './shell.js';

const LINKS = [
  { href: '/', text: 'Playground', current: true },
  { href: '/tetris/profile', text: 'Profiles' },
];

function MemoryPanel({ status }) {
  const instances = status.nodes.reduce((sum, node) => sum + node.instances, 0);
  return html`<${Panel}
    id="memory"
    title="Memory"
    note=${`${count(instances, 'instance')} on ${count(status.nodes.length, 'node')}`}
  >
    <${MemoryHeadline} memory=${status.memory} />
    <${MemoryChart} history=${status.history} />
    <div class="nodes">
      ${status.nodes.map(
        ({ node, memory }) =>
          memory &&
          html`<div class="node" key=${node}>
            ${status.nodes.length > 1 && html`<span class="node-name">${node}</span>`}<${MemoryBar}
              memory=${memory}
              label=${node}
            />
          </div>`,
      )}
    </div>
    <${MemoryLegend} memory=${status.memory} />
  <//>`;
}

/** What the API and the daemons list, asked for again when the state shows that it may be another. */
function useLists(api, turn) {
  const [lists, setLists] = useState({ actions: [], models: [] });
  useEffect(() => {
    let left = false;
    Promise.all([api.actions(), answerOf('/tetris/models')])
      .then(([actions, models]) => !left && setLists({ actions, models }))
      .catch(() => undefined);
    return () => {
      left = true;
    };
  }, [api, turn]);
  return lists;
}

/** Changes with what the lists are made of. */
const turnOf = ({ functions = [], sizes, activations = [] } = {}) =>
  `${activations[0]?.activationId} ${functions.length} ${sizes?.actions} ${functions.map(({ revision, models }) => `${revision}${models.length}`).join()}`;

function Playground({ auth }) {
  const { state: status, ...live } = useLive('/tetris/events');
  const api = useMemo(() => new Api(auth), [auth]);
  const [done, setDone] = useState(0);
  const turn = `${turnOf(status)} ${done}`;
  const { actions, models } = useLists(api, turn);
  const [chosen, setChosen] = useState(undefined);
  const changed = () => setDone((times) => times + 1);
  if (status === undefined) {
    return html`<${Shell} title="Tetris playground" links=${LINKS} live=${live}
      ><p class="loading">The platform starts</p><//
    >`;
  }
  const rows = functionRows(actions, status.functions, models);
  const known = rows.filter(({ tensorBytes }) => tensorBytes > 0).map(({ name }) => name);
  return html`<${Shell} title="Tetris playground" links=${LINKS} live=${live}>
    <div class="playground">
      <div class="column">
        <${MemoryPanel} status=${status} />
        <${Panel}
          id="functions"
          title="Functions"
          note=${`${count(rows.length, 'action')}, ${count(
            status.functions.reduce((sum, { states }) => sum + totalOf(states), 0),
            'instance',
          )}`}
        >
          <${FunctionsTable}
            rows=${rows}
            selected=${`guest/${chosen}`}
            onSelect=${({ action }) => setChosen(action.name)}
          />
        <//>
      </div>
      <div class="column">
        <${Panel} id="invoke" title="Invoke">
          <${InvokeForm}
            api=${api}
            names=${actions.map(({ name }) => name)}
            chosen=${chosen}
            onChoose=${setChosen}
            onInvoked=${changed}
          />
        <//>
        <${Panel} id="create" title="Create an action">
          <${CreateForm}
            api=${api}
            onCreated=${(name) => {
              setChosen(name);
              changed();
            }}
          />
        <//>
        <${Panel} id="overlap" title="Tensor overlap"><${OverlapOfTwo} names=${known} turn=${turn} /><//>
      </div>
      <${Panel} id="activations" title="Activations"><${Activations} api=${api} turn=${turn} /><//>
    </div>
  <//>`;
}

show(Playground);
