// What the workers of all generations have counted for the metrics. A generation's memory is laid
// out for its routes; when it has gone its sums are kept by the routes' keys, so that no counter
// goes back when a configuration is loaded.

import { addUp, type Counts, metricsMemory, ROUTE_KEY_NONE } from "../data/metrics.ts";
import type { Facts } from "./bundle.ts";

export class GenerationCounts implements Counts {
  readonly routes: readonly string[];
  /** By worker; one that takes another one's place goes on counting there. */
  private readonly byOwner = new Map<number, SharedArrayBuffer>();

  constructor({ routes }: Facts) {
    this.routes = [ROUTE_KEY_NONE, ...routes.map(({ key }) => key)];
  }

  memoryFor(owner: number): SharedArrayBuffer {
    const memory = this.byOwner.get(owner) ?? metricsMemory(this.routes.length);
    this.byOwner.set(owner, memory);
    return memory;
  }

  get memories(): readonly SharedArrayBuffer[] {
    return [...this.byOwner.values()];
  }
}

export class CountStore {
  private past: Counts = { routes: [], memories: [] };
  private readonly live = new Set<GenerationCounts>();

  open(program: Facts): GenerationCounts {
    const counts = new GenerationCounts(program);
    this.live.add(counts);
    return counts;
  }

  /** A generation's workers have gone. Of routes that nobody serves any more nothing stays. */
  close(counts: GenerationCounts): void {
    if (!this.live.delete(counts)) return;
    const routes = new Set([...this.live].flatMap((each) => each.routes));
    const parts = [this.past, counts];
    this.past = addUp(parts, [...(routes.size === 0 ? counts.routes : routes)]);
  }

  get all(): readonly Counts[] {
    return [this.past, ...this.live];
  }
}
