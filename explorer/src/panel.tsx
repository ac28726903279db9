/** The sample in focus: picture, facts, probabilities, what lies near it in each space, and where the network looks. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { count, percent } from "./controls.tsx";
import { shownNumber } from "./contents.ts";
import { useStore } from "./context.ts";
import { neighboursOf } from "./neighbours.ts";
import { Card, CutOf, Picture } from "./picture.tsx";
import { attentionOf, pictureOf } from "./pictures.ts";
import { logits } from "./planes.ts";

const MOST_CLASSES = 5;
const EDGE = 32767;

export function Panel() {
  const store = useStore();
  const { model } = store;
  const { focus } = store.view.value;
  if (focus < 0) {
    return (
      <section class="panel" aria-label="Sample">
        <h2>Sample</h2>
        <p class="hint">Click a point, or step through them with the arrow keys, to see a sample: its picture, what each
          run makes of it, and what lies near it in each space.</p>
      </section>
    );
  }
  const own = [...model.fields.values()].filter((field) => field.key.startsWith("fact:") && !field.missing(focus));
  return (
    <section class="panel" aria-label="Sample" data-focus={focus}>
      <header>
        <h2>{model.label.text(focus)}</h2>
        <button type="button" aria-label="Close the sample" onClick={() => store.change({ focus: -1 })}>×</button>
      </header>
      <p class="path">{model.ids[focus]}</p>
      <div class="who">
        <Picture sample={focus} side={128} />
        <dl>
          {own.map((field) => [<dt key={field.key}>{field.name}</dt>, <dd key={`${field.key}.`}>{field.text(focus)}</dd>])}
        </dl>
      </div>
      <Copies sample={focus} />
      {model.contents.runs.map((_, run) => <OfRun key={run} run={run} sample={focus} />)}
    </section>
  );
}

function Copies({ sample }: { sample: number }) {
  const { model } = useStore();
  const field = model.fields.get("fact:copies");
  if (!field || field.missing(sample)) return null;
  const others: number[] = [];
  for (let i = 0; i < model.count; i++) if (i !== sample && field.data[i] === field.data[sample]) others.push(i);
  return (
    <>
      <h3>Looks the same</h3>
      <div class="cards">{others.map((other) => <Card key={other} sample={other} words={model.label.text(other)} wrong={model.label.text(other) !== model.label.text(sample)} />)}</div>
    </>
  );
}

function OfRun({ run, sample }: { run: number; sample: number }) {
  const store = useStore();
  const { model } = store;
  const here = model.contents.runs[run];
  const part = store.of(run, "part")!;
  if (part.missing(sample)) return null;
  const correct = store.of(run, "correct");
  const prediction = store.of(run, "prediction");
  const wrong = correct && !correct.missing(sample) && correct.data[sample] === 0;
  const suspect = store.of(run, "suspect");
  const numbers = [...model.fields.values()].filter(
    (field) => field.key.startsWith(`${run}:score:`) || field.key.startsWith(`${run}:silhouette:`),
  );
  return (
    <section class="of-run" data-run={run}>
      <h3>{here.name} <small>{part.text(sample)}</small></h3>
      {prediction && (
        <p class={wrong ? "verdict wrong" : "verdict"}>
          {wrong ? "taken for " : ""}<b>{prediction.text(sample)}</b>, {percent(store.of(run, "confidence")!.data[sample])}
          {suspect?.data[sample] === 1 && <em> · its label is suspected to be wrong</em>}
        </p>
      )}
      <Probabilities run={run} sample={sample} />
      {Object.keys(here.neighbours).map((space) => <Near key={space} run={run} space={space} sample={sample} />)}
      <Attention run={run} sample={sample} />
      {numbers.length > 0 && (
        <details>
          <summary>{count(numbers.length)} scores</summary>
          <dl>{numbers.map((field) => [<dt key={field.key}>{field.name}</dt>, <dd key={`${field.key}.`}>{field.text(sample) || "–"}</dd>])}</dl>
        </details>
      )}
    </section>
  );
}

function Probabilities({ run, sample }: { run: number; sample: number }) {
  const { model, view } = useStore();
  const here = model.contents.runs[run];
  const found = useSignal<[string, number][]>([]);
  useSignalEffect(() => {
    const focus = view.value.focus;
    if (!here.logits || focus < 0) return;
    const { low, high } = here.logits;
    void logits(model, run, null).then((all) => {
      const width = here.classes.length;
      if (all[focus * width] === 2 * EDGE + 1) return void (found.value = []); // without a place in this space
      const own = Array.from(all.subarray(focus * width, (focus + 1) * width), (code) => low + ((high - low) * code) / (2 * EDGE));
      const most = Math.max(...own);
      const powers = own.map((value) => Math.exp(value - most));
      const sum = powers.reduce((one, other) => one + other, 0);
      found.value = powers
        .map((power, i): [string, number] => [here.classes[i], power / sum])
        .sort((one, other) => other[1] - one[1])
        .slice(0, MOST_CLASSES);
    });
  });
  if (!here.logits || !found.value.length) return null;
  return (
    <ul class="bars" aria-label="Most probable classes">
      {found.value.map(([name, share]) => (
        <li key={name} class={name === model.label.text(sample) ? "true" : ""}>
          <span class="name" title={name}>{name}</span>
          <span class="bar"><i style={{ width: `${100 * share}%` }} /></span>
          <span>{percent(share)}</span>
        </li>
      ))}
    </ul>
  );
}

function Near({ run, space, sample }: { run: number; space: string; sample: number }) {
  const { model } = useStore();
  const near = neighboursOf(model, run, space, sample);
  if (!near) return null;
  const own = model.label.text(sample);
  const same = near.filter((each) => model.label.text(each.sample) === own).length;
  return (
    <div class="near" data-space={space}>
      <h4>nearest {model.contents.runs[run].among} in {space} <small>{same} of {near.length} of its class</small></h4>
      <div class="cards">
        {near.map((each) => (
          <Card key={each.sample} sample={each.sample} wrong={model.label.text(each.sample) !== own}
            words={`${model.label.text(each.sample)} ${shownNumber(+each.distance.toPrecision(3))}`} />
        ))}
      </div>
    </div>
  );
}

function Attention({ run, sample }: { run: number; sample: number }) {
  const { model } = useStore();
  const { attention } = model.contents.runs[run];
  const at = attention?.samples.indexOf(sample) ?? -1;
  if (!attention || at < 0) return null;
  return (
    <div class="attention">
      <h4>where the network looks</h4>
      <div class="cards">
        {Object.keys(attention.methods).map((method) => (
          <figure key={method}>
            <CutOf key={sample} side={88} name={`${method} of ${model.ids[sample]}`}
              of={() => pictureOf(model, sample)} over={() => attentionOf(model, run, method, sample)} />
            <figcaption>
              {method}
              {Object.entries(attention.shares?.[method]?.[at] ?? {}).map(([region, { share, area }]) => (
                <span key={region}>{region} {percent(share)} <small>of {percent(area)} area</small></span>
              ))}
            </figcaption>
          </figure>
        ))}
      </div>
    </div>
  );
}
