/**
 * A network between hosts. What listens on this side's loopback (brokers, databases of a test) is on the loopback of
 * every host too, at the same port: servers that tell clients where they are need not know of it.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

const BRIDGE = 'tetris-hosts';
const NETWORK = '172.31.78';
const GATEWAY = `${NETWORK}.1`;

const run = (command: string, ...args: string[]): void => void execFileSync(command, args, { stdio: 'pipe' });
const translate = (rule: string, inside: string[] = []): void =>
  inside.length === 0
    ? run('iptables', '-t', 'nat', ...rule.split(' '))
    : run('nsenter', ...inside, 'iptables', '-t', 'nat', ...rule.split(' '));

export class HostNetwork {
  constructor() {
    mkdirSync('/run/netns', { recursive: true });
    run('mount', '-t', 'tmpfs', 'tmpfs', '/run/netns');
    run('ip', 'link', 'add', BRIDGE, 'type', 'bridge');
    run('ip', 'addr', 'add', `${GATEWAY}/24`, 'dev', BRIDGE);
    run('ip', 'link', 'set', BRIDGE, 'up');
    run('sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=1');
    translate(`-A PREROUTING -i ${BRIDGE} -d ${GATEWAY} -p tcp -j DNAT --to-destination 127.0.0.1`);
  }

  address(index: number): string {
    return `${NETWORK}.${index + 10}`;
  }

  /** @returns path of the network namespace of a host, which has an address in the network */
  join(index: number): string {
    const name = `node${index}`;
    const path = `/run/netns/${name}`;
    const inside = [`--net=${path}`];
    run('ip', 'netns', 'add', name);
    run('ip', 'link', 'add', `veth${index}`, 'type', 'veth', 'peer', 'name', 'host0', 'netns', name);
    run('ip', 'link', 'set', `veth${index}`, 'master', BRIDGE, 'up');
    run('ip', '-n', name, 'addr', 'add', `${this.address(index)}/24`, 'dev', 'host0');
    for (const device of ['lo', 'host0']) run('ip', '-n', name, 'link', 'set', device, 'up');
    run('nsenter', ...inside, 'sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=1');
    return path;
  }

  /** Has a port of this side's loopback answer on a host's. */
  forward(index: number, port: number): void {
    const inside = [`--net=/run/netns/node${index}`];
    translate(`-A OUTPUT -d 127.0.0.1 -p tcp --dport ${port} -j DNAT --to-destination ${GATEWAY}`, inside);
    translate(`-A POSTROUTING -d ${GATEWAY} -p tcp --dport ${port} -j MASQUERADE`, inside);
  }
}
