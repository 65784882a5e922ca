/** What the pages and `/status` show, as JSON. */
import type { Fleet } from '../fleet/fleet';
import type { SimilarityIndex } from '../placement/similarity';
import type { Figures, NodeRow } from './figures';
import type { FunctionRow } from './function-sums';
import type { History, Moment } from './history';
import { type MemoryFigures, totalMemory } from './memory-figures';
import type { ActivationNote, PlacementNote, Trail } from './trail';

export interface StatusReport {
  /** Epoch ms. */
  atMs: number;
  /** Activations handed on and not finished, and waiting for an invoker. */
  inFlight: number;
  waiting: number;
  sizes: SimilarityIndex['sizes'];
  /** Of all nodes. */
  memory: MemoryFigures;
  history: readonly Moment[];
  nodes: NodeRow[];
  functions: FunctionRow[];
  /** Newest first. */
  placements: PlacementNote[];
  activations: ActivationNote[];
}

export interface ReportSources {
  fleet: Fleet;
  similarity: SimilarityIndex;
  figures: Figures;
  history: History;
  trail: Trail;
}

/** As many as a page shows. */
const NOTES_SHOWN = 30;

export function statusReport(
  { fleet, similarity, figures, history, trail }: ReportSources,
  load: { inFlight: number; waiting: number },
  nowMs: number,
): StatusReport {
  const nodes = figures.nodes(fleet, nowMs);
  return {
    atMs: nowMs,
    ...load,
    sizes: similarity.sizes,
    memory: totalMemory(nodes.map(({ memory }) => memory)),
    history: history.moments(),
    nodes,
    functions: figures.functions(fleet, similarity),
    placements: trail.placements(NOTES_SHOWN),
    activations: trail.activations(NOTES_SHOWN),
  };
}
