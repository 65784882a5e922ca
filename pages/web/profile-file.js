/** A report as a file of its own. */
import { html } from './html.js';
import { ProfileReport } from './profile-report.js';
import { Panel, Shell, show } from './shell.js';

function ProfileFile({ report }) {
  return html`<${Shell} title=${`Profile of ${report.model.name}`}>
    <${Panel} id="report" title=${report.model.name}><${ProfileReport} report=${report} /><//>
  <//>`;
}

show(ProfileFile);
