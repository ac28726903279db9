/** Controls that several parts of the page use. */

import { shortened } from "./map/overlay.ts";

export function Choice({
  label,
  value,
  options,
  onChange,
  disabled = false,
  shown = false,
}: {
  label: string;
  value: string;
  options: [string, string][];
  onChange: (value: string) => void;
  disabled?: boolean;
  shown?: boolean;
}) {
  return (
    <label class="choice" title={label}>
      {shown && <span>{label}</span>}
      <select
        aria-label={label}
        value={value}
        disabled={disabled}
        onChange={(event) => onChange(event.currentTarget.value)}
      >
        {options.map(([key, name]) => (
          <option key={key} value={key} title={name}>
            {shortened(name, 40)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** `87.5 %`. */
export function percent(share: number): string {
  return Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : "–";
}

export function count(value: number): string {
  return value.toLocaleString("en");
}

/** 95 % interval of a share after Wilson. */
export function wilson(right: number, of: number): [number, number] {
  if (!of) return [0, 1];
  const z = 1.959964;
  const share = right / of;
  const middle = (share + (z * z) / (2 * of)) / (1 + (z * z) / of);
  const half = (z / (1 + (z * z) / of)) * Math.sqrt((share * (1 - share)) / of + (z * z) / (4 * of * of));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/** Evenly spaced round numbers between two. */
export function ticks(low: number, high: number, most = 5): number[] {
  const rough = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((each) => each * power >= rough) ?? 10);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(+(i * step).toPrecision(12));
  return found;
}
