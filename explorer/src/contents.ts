/** What the page holds: the description that `spacewise.explorer.contents` writes, and its binary parts. */

export interface Ref {
  blob: number;
  type: "u8" | "u16" | "u32" | "i16" | "i32" | "f32" | "json" | "webp";
  shape?: number[];
}

export interface ColumnOf {
  name: string;
  kind: "number" | "flag" | "category";
  data: Ref;
  values?: Ref;
}

export type Row = Record<string, string | number | boolean | null>;

export interface RunOf {
  name: string;
  objective: string;
  weights: string;
  retrieval: boolean;
  classes: string[];
  spaces: Record<string, number>;
  columns: ColumnOf[];
  maps: { space: string; method: string; said: string; epochs: { epoch: number | null; points: Ref }[] }[];
  logits: { low: number; high: number; epochs: { epoch: number | null; data: Ref }[] } | null;
  neighbours: Record<string, { indices: Ref; distances: Ref }>;
  among: string;
  tables: Record<string, Row[]>;
  views: { main?: string; stored?: string };
  attention: {
    samples: number[];
    side: number;
    columns: number;
    methods: Record<string, Ref>;
    weights: string;
    shares: Record<string, Record<string, { share: number; area: number }>[]> | null;
  } | null;
}

export interface Contents {
  title: string;
  command: string;
  count: number;
  colours: string[];
  ids: Ref;
  facts: ColumnOf[];
  pictures: { side: number; stored: number; columns: number; per_sheet: number; sheets: Ref[] } | null;
  runs: RunOf[];
  said: string[];
}

export type Numbers = Uint8Array | Uint16Array | Uint32Array | Int16Array | Int32Array | Float32Array;

const ARRAYS = { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, i16: Int16Array, i32: Int32Array, f32: Float32Array };

function bytes(ref: Ref): Uint8Array<ArrayBuffer> {
  const element = document.getElementById(`blob${ref.blob}`);
  if (!element) throw new Error(`part ${ref.blob} of this page is missing: the file is not whole`);
  const text = element.textContent ?? "";
  const direct = (Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> }).fromBase64;
  if (direct) return direct.call(Uint8Array, text);
  const binary = atob(text);
  const found = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) found[i] = binary.charCodeAt(i);
  return found;
}

async function unpacked(ref: Ref): Promise<ArrayBuffer> {
  const stream = new Blob([bytes(ref)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

export async function readArray(ref: Ref): Promise<Numbers> {
  return new ARRAYS[ref.type as keyof typeof ARRAYS](await unpacked(ref));
}

export async function readJson<T>(ref: Ref): Promise<T> {
  return JSON.parse(new TextDecoder().decode(await unpacked(ref))) as T;
}

export async function readPicture(ref: Ref): Promise<ImageBitmap> {
  return createImageBitmap(new Blob([bytes(ref)], { type: "image/webp" }));
}

/** A column of the samples, read: numbers, or codes of values. */
export class Field {
  constructor(
    readonly key: string,
    readonly name: string,
    readonly kind: ColumnOf["kind"],
    readonly data: Numbers,
    readonly values: string[],
  ) {}

  /** Whether a sample has no value. */
  missing(sample: number): boolean {
    const value = this.data[sample];
    if (this.kind === "number") return Number.isNaN(value);
    return this.kind === "flag" ? value === 2 : value >= this.values.length;
  }

  /** The value as it is shown; empty where there is none. */
  text(sample: number): string {
    if (this.missing(sample)) return "";
    const value = this.data[sample];
    if (this.kind === "flag") return value ? "yes" : "no";
    if (this.kind === "category") return this.values[value];
    return shownNumber(value);
  }

  /** Of a flag or category: the code of a shown value, -1 where there is none such. */
  code(value: string): number {
    return this.kind === "flag" ? ["no", "yes"].indexOf(value) : this.values.indexOf(value);
  }

  /** Of a flag or category: how it is shown, by code. */
  get names(): string[] {
    return this.kind === "flag" ? ["no", "yes"] : this.values;
  }
}

/** Four significant digits at most, whole numbers whole. */
export function shownNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  return Math.abs(value) >= 1000 || Math.abs(value) < 1e-4 ? value.toExponential(2) : String(+value.toPrecision(4));
}

async function field(column: ColumnOf, key: string): Promise<Field> {
  const values = column.values ? await readJson<string[]>(column.values) : [];
  return new Field(key, column.name, column.kind, await readArray(column.data), values);
}

/** The samples with all their columns, and what is read when it is asked for. */
export interface Model {
  contents: Contents;
  count: number;
  ids: string[];
  /** `fact:NAME`, or `RUN:NAME` of a run by number. */
  fields: Map<string, Field>;
  label: Field;
}

export async function open(): Promise<Model> {
  const contents = JSON.parse(document.getElementById("contents")!.textContent!) as Contents;
  const columns: [ColumnOf, string][] = contents.facts.map((column) => [column, `fact:${column.name}`]);
  contents.runs.forEach((run, number) => {
    for (const column of run.columns) columns.push([column, `${number}:${column.name}`]);
  });
  const [ids, ...fields] = await Promise.all([
    readJson<string[]>(contents.ids),
    ...columns.map(([column, key]) => field(column, key)),
  ]);
  const byKey = new Map(fields.map((each) => [each.key, each]));
  return { contents, count: contents.count, ids, fields: byKey, label: byKey.get("fact:label")! };
}
