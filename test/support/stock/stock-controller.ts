import type { FpcServers, Servers } from '../cluster/services';
import { StockProcess } from './stock-process';
import { etcdSettings } from './stock-scheduler';

const CORE = 'org.apache.openwhisk.core';

/** Lines about what it was told by us, or about its books. */
const ABOUT_US =
  /\[(WARN|ERROR)\].*\[(ShardingContainerPoolBalancer|FPCPoolBalancer|FPCEntitlementProvider|MessageFeed|Invoker\w*|Kafka\w*|\w*Ack\w*)\]/;
/** What a controller says rightly when there is nobody to take an activation, or little room. */
const RIGHTLY = /failed to schedule activation|system is overloaded/;

/** What 2.x does not do by itself. */
const SHARDING = {
  'whisk.spi.LoadBalancerProvider': `${CORE}.loadBalancer.ShardingContainerPoolBalancer`,
  'whisk.spi.EntitlementSpiProvider': `${CORE}.entitlement.LocalEntitlementProvider`,
};

/** A stock controller, alone in its cluster, and what it shows of its books. */
export class StockController {
  readonly #process: StockProcess;

  private constructor(started: StockProcess) {
    this.#process = started;
  }

  /** @param classPath of Java; @param folder for its log. Resolves when it answers. */
  static async start(servers: Servers | FpcServers, classPath: string, folder: string): Promise<StockController> {
    const settings = {
      ...('etcd' in servers ? etcdSettings(servers) : SHARDING),
      'whisk.controller.protocol': 'http',
      'whisk.controller.interface': '127.0.0.1',
      'whisk.info.date': '2026-01-01',
      'whisk.info.build-no': 'test',
    };
    const launch = { name: 'controller', classPath, mainClass: `${CORE}.controller.Controller`, args: ['0'] };
    return new StockController(await StockProcess.start(servers, { ...launch, settings, env: {} }, folder));
  }

  get url(): string {
    return this.#process.url;
  }

  /** Warnings and errors about messages that it got, and about its books. */
  complaints(): string[] {
    return this.#process.log.split('\n').filter((line) => ABOUT_US.test(line) && !RIGHTLY.test(line));
  }

  /** `GET /invokers`: name to state. */
  async invokers(): Promise<Record<string, string>> {
    return (await fetch(`${this.url}/invokers`)).json() as Promise<Record<string, string>>;
  }

  /** Every change of its invokers' states, such as `0 -> Healthy, 1 -> Offline`, from the log. */
  states(): string[] {
    const changes = this.#process.log.matchAll(/\[InvokerPool\] invoker status changed to (.*)/g);
    return [...changes].map(([, states = '']) => states);
  }

  /** Activations whose slot has not come back. */
  async inFlight(): Promise<number> {
    return Number(await (await fetch(`${this.url}/activation/count`)).text());
  }

  async stop(): Promise<void> {
    await this.#process.stop();
  }
}
