/** A figure against the batch: a dot for each configuration that is known, and straight lines between them. */
import { useMemo } from 'preact/hooks';
import { axis, Chart, color } from './chart.js';
import { html } from './html.js';

const SERIES_COLORS = 8;

/** @param limit a dashed line across */
export function BatchChart({ series, figure, format, log = false, limit, what }) {
  const batches = useMemo(
    () =>
      [...new Set(series.flatMap(({ points }) => points.map(({ batch }) => batch)))].sort((one, other) => one - other),
    [series],
  );
  const data = useMemo(() => {
    const lines = series.map(({ points }) => {
      const known = new Map(points.map((point) => [point.batch, point[figure]]));
      return batches.map((batch) => known.get(batch));
    });
    // Evenly apart, as powers are.
    const places = batches.map((_, at) => at);
    return [places, ...lines, ...(limit === undefined ? [] : [batches.map(() => limit)])];
  }, [series, batches, figure, limit]);
  const options = useMemo(
    () => optionsOf({ series, figure, format, log, limit, batches }),
    [series, figure, log, limit, batches],
  );
  const words = series.map(
    ({ label, points }) =>
      `${label}: ${points.map((point) => `batch ${point.batch} ${format(point[figure])}`).join(', ')}`,
  );
  return html`<${Chart} data=${data} options=${options} height=${240} description=${`${what}. ${words.join('; ')}`} />`;
}

const optionsOf =
  ({ series, figure, format, log, limit, batches }) =>
  () => ({
    cursor: { show: false },
    legend: { show: false },
    scales: {
      x: { time: false, range: [-0.25, Math.max(1, batches.length - 1) + 0.25] },
      y: log ? { distr: 3, range: logRange } : { range: (_plot, _min, max) => [0, max * 1.1 || 1] },
    },
    series: [
      {},
      ...series.map(({ at, points }) => {
        const stroke = color(`series-${at % SERIES_COLORS}`);
        const estimated = new Set(
          points.filter(({ source }) => source === 'estimated').map(({ batch }) => batches.indexOf(batch)),
        );
        return {
          stroke,
          width: 1.5,
          spanGaps: true,
          points: { show: (plot, index) => (drawDots(plot, index, estimated, stroke), false) },
        };
      }),
      ...(limit === undefined ? [] : [{ stroke: color('unshared'), width: 2, dash: [6, 4], points: { show: false } }]),
    ],
    axes: [
      axis({
        splits: () => batches.map((_, at) => at),
        values: () => batches.map(String),
        size: 28,
        label: 'batch',
        labelSize: 18,
        labelFont: '12px system-ui, sans-serif',
      }),
      axis({ values: (_plot, ticks) => ticks.map((value) => (value === null ? null : format(value))), size: 66 }),
    ],
  });

/** Within powers of ten that leave room. */
const logRange = (_plot, min, max) => [min / 1.5, max * 1.5];

function drawDots(plot, index, estimated, stroke) {
  const { ctx, data } = plot;
  ctx.save();
  ctx.strokeStyle = stroke;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  for (const [at, value] of data[index].entries()) {
    if (value == null) continue;
    ctx.beginPath();
    ctx.arc(
      plot.valToPos(data[0][at], 'x', true),
      plot.valToPos(value, 'y', true),
      4 * devicePixelRatio,
      0,
      2 * Math.PI,
    );
    ctx.fillStyle = estimated.has(at) ? color('card') : stroke;
    ctx.fill();
    ctx.stroke();
  }
  ctx.restore();
}
