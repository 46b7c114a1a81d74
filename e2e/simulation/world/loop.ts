// Time and order of a simulated world: one queue of tasks, one of timers, and a clock that jumps. Microtasks are drained
// after each task, as in a browser; nothing of Node's own event loop is waited for, so a run is the same each time.

const START_MS = 1_700_000_000_000;

/** Whoever has tasks: a worker's life, a page, a server's process. A dead one never runs again. */
export class Agent {
  dead = false;
  /** Tasks so far: each is an await that came back. */
  crossings = 0;
  readonly name: string;
  readonly kind: 'worker' | 'page' | 'server';
  readonly #onDeath: (() => void)[] = [];

  constructor(name: string, kind: Agent['kind']) {
    this.name = name;
    this.kind = kind;
  }

  onDeath(listener: () => void): void {
    this.#onDeath.push(listener);
  }

  end(): void {
    if (this.dead) return;
    this.dead = true;
    for (const listener of this.#onDeath) listener();
  }
}

interface Task {
  readonly agent: Agent | undefined;
  readonly run: () => void;
}

export interface Timer extends Task {
  readonly dueAtMs: number;
  readonly order: number;
  cancelled: boolean;
}

export class Loop {
  /** Milliseconds that have passed: what timers go by. */
  elapsedMs = 0;
  /** What is added to it on a device's clock, which may jump. */
  clockMs = START_MS;
  /** The agent whose code is running. */
  current: Agent | undefined;
  steps = 0;
  /** Called before each await of an agent comes back; may end the agent. */
  onCrossing: (agent: Agent) => void = () => {};
  readonly #tasks: Task[] = [];
  #first = 0;
  readonly #timers: Timer[] = [];
  #order = 0;
  #failure: unknown;

  now(): number {
    return this.clockMs + this.elapsedMs;
  }

  task(agent: Agent | undefined, run: () => void): void {
    this.#tasks.push({ agent, run });
  }

  timer(delayMs: number, agent: Agent | undefined, run: () => void): Timer {
    this.#order += 1;
    const timer = { dueAtMs: this.elapsedMs + Math.max(0, delayMs), order: this.#order, agent, run, cancelled: false };
    let at = this.#timers.length;
    this.#timers.push(timer);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = this.#timers[above];
      if (parent === undefined || sooner(parent, timer)) break;
      this.#timers[at] = parent;
      at = above;
    }
    this.#timers[at] = timer;
    return timer;
  }

  /** `agent` is about to go on; false: it is dead, and nothing of it may run. */
  enter(agent: Agent): boolean {
    if (!agent.dead) {
      agent.crossings += 1;
      this.onCrossing(agent);
    }
    if (!agent.dead) this.current = agent;
    return !agent.dead;
  }

  /** Runs until `over` says so, which is asked whenever nothing is left to do at this moment. */
  run(over: () => boolean, mostSteps: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const again = () => process.nextTick(step);
      const step = () => {
        this.current = undefined;
        if (this.#failure !== undefined) return reject(this.#failure);
        const task = this.#next(over);
        if (task === undefined) return resolve();
        this.steps += 1;
        if (this.steps > mostSteps) return reject(new Error(`More than ${mostSteps} steps: it goes round in circles.`));
        try {
          if (task.agent === undefined || this.enter(task.agent)) task.run();
        } catch (cause) {
          this.#failure = cause;
        }
        // Behind every microtask, and those that they make.
        queueMicrotask(again);
      };
      process.nextTick(step);
    });
  }

  #next(over: () => boolean): Task | undefined {
    for (;;) {
      const task = this.#tasks[this.#first];
      if (task !== undefined) {
        this.#first += 1;
        if (this.#first > 1000) {
          this.#tasks.splice(0, this.#first);
          this.#first = 0;
        }
        if (!task.agent?.dead) return task;
        continue;
      }
      this.#tasks.length = 0;
      this.#first = 0;
      if (over()) return undefined;
      const timer = this.#pop();
      if (timer === undefined) return undefined;
      if (timer.cancelled || timer.agent?.dead) continue;
      this.elapsedMs = Math.max(this.elapsedMs, timer.dueAtMs);
      return timer;
    }
  }

  #pop(): Timer | undefined {
    const top = this.#timers[0];
    const last = this.#timers.pop();
    if (top === undefined || last === undefined || top === last) return top;
    const count = this.#timers.length;
    let at = 0;
    for (;;) {
      const left = this.#timers[2 * at + 1];
      const right = this.#timers[2 * at + 2];
      if (left === undefined || 2 * at + 1 >= count) break;
      const isRight = right !== undefined && sooner(right, left);
      const child = isRight ? right : left;
      if (sooner(last, child)) break;
      this.#timers[at] = child;
      at = 2 * at + (isRight ? 2 : 1);
    }
    this.#timers[at] = last;
    return top;
  }
}

function sooner(a: Timer, b: Timer): boolean {
  return a.dueAtMs < b.dueAtMs || (a.dueAtMs === b.dueAtMs && a.order < b.order);
}
