/** Charts by uPlot, in the page's colours, redrawn when these or the room change. */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { html } from './html.js';

/** A colour of the style sheet as it is in the present theme. */
export function color(name) {
  const probe = document.createElement('i');
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const { color: resolved } = getComputedStyle(probe);
  probe.remove();
  return resolved;
}

/**
 * @param data uPlot's: x, then one array for each series
 * @param options a function of the width, so that colours are those of now: uPlot's options without sizes
 * @param description what the chart says, for who does not see it
 */
export function Chart({ data, options, height = 180, description }) {
  const place = useRef(null);
  const plot = useRef(null);
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    const draw = () => {
      plot.current?.destroy();
      const width = place.current.clientWidth;
      plot.current = new uPlot({ ...options(width), width, height }, latest.current, place.current);
    };
    draw();
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', draw);
    document.addEventListener('themechange', draw);
    const room = new ResizeObserver(() => {
      const width = place.current?.clientWidth ?? 0;
      if (width > 0 && width !== plot.current.width) plot.current.setSize({ width, height });
    });
    room.observe(place.current);
    return () => {
      scheme.removeEventListener('change', draw);
      document.removeEventListener('themechange', draw);
      room.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, [options, height]);
  useEffect(() => plot.current?.setData(data), [data]);
  return html`<div
    class="chart"
    ref=${place}
    role="img"
    aria-label=${description}
    style=${{ height: `${height}px` }}
  ></div>`;
}

/** An axis in the page's colours. */
export const axis = (more) => ({
  stroke: color('soft'),
  font: '12px system-ui, sans-serif',
  grid: { stroke: color('line'), width: 1 },
  ticks: { show: false },
  ...more,
});
