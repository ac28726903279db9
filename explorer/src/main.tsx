/** The page: maps in the middle, what the colours mean at the left, the sample in focus at the right, charts and table below. */

import { useSignal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Changed, Conditions } from "./conditions.tsx";
import { Confusion } from "./charts/confusion.tsx";
import { Curves } from "./charts/curves.tsx";
import { Recall } from "./charts/recall.tsx";
import { Rejection } from "./charts/rejection.tsx";
import { Subsets } from "./charts/subsets.tsx";
import { Choice, count } from "./controls.tsx";
import { open } from "./contents.ts";
import { StoreContext, useStore } from "./context.ts";
import { Legend } from "./legend.tsx";
import { MapOf } from "./map/map.tsx";
import { Panel } from "./panel.tsx";
import { type Store, store as made } from "./store.ts";
import "./style.css";
import { Table } from "./table.tsx";
import { Worth } from "./worth.tsx";
import { theme } from "./theme.ts";
import { written } from "./view.ts";

function Header() {
  const store = useStore();
  const { model, view } = store;
  const copied = useSignal("");
  const help = useRef<HTMLDialogElement>(null);
  const { runs } = model.contents;
  const two = view.value.sides.length > 1;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (help.current?.open || event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) return;
      if (event.key === "?") help.current?.showModal();
      else if (event.key === "Escape") store.change(view.peek().focus >= 0 ? { focus: -1 } : { conditions: [], threshold: null });
      else if (event.key === "/") {
        document.querySelector<HTMLInputElement>('input[aria-label="Search"]')!.focus();
        event.preventDefault();
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.href.split("#")[0] + written(view.peek()));
      copied.value = "copied";
    } catch {
      copied.value = "the address bar holds it";
    }
    setTimeout(() => (copied.value = ""), 2500);
  };
  return (
    <header class="page">
      <div>
        <p class="kind"><b>spacewise</b> explorer</p>
        <h1>{model.contents.title}</h1>
        <p class="sub">{count(model.count)} samples · {runs.map((run) => run.objective).join(" · ")}</p>
      </div>
      <div class="buttons">
        <button type="button" id="two" aria-pressed={two}
          onClick={() => store.change({ sides: two ? [view.peek().sides[0]] : [view.peek().sides[0], { ...view.peek().sides[0], run: runs.length > 1 ? 1 - Math.min(1, view.peek().sides[0].run) : view.peek().sides[0].run }] })}>
          two maps
        </button>
        {model.contents.pictures && (
          <button type="button" id="pictures" aria-pressed={view.value.marks === "pictures"}
            onClick={() => store.change({ marks: view.peek().marks === "pictures" ? "points" : "pictures" })}>
            pictures
          </button>
        )}
        <button type="button" id="copy" onClick={copy} aria-live="polite">{copied.value || "copy link"}</button>
        <button type="button" id="theme" aria-label={theme.value === "dark" ? "Light page" : "Dark page"} onClick={() => (theme.value = theme.value === "dark" ? "light" : "dark")}>
          {theme.value === "dark" ? "light" : "dark"}
        </button>
        <button type="button" aria-label="Help" onClick={() => help.current?.showModal()}>?</button>
      </div>
      <dialog ref={help} aria-label="Help" onClick={(event) => event.target === help.current && help.current!.close()}>
        <h2>How to look</h2>
        <dl>
          <dt>Drag, wheel</dt><dd>move and zoom a map</dd>
          <dt>Shift and drag</dt><dd>lasso: choose the samples inside</dd>
          <dt>Click</dt><dd>a point, a picture, a row: that sample at the right</dd>
          <dt>← ↑ → ↓</dt><dd>on a map: the next sample that way; with Shift: move the map</dd>
          <dt>+ − 0</dt><dd>on a map: zoom, whole map</dd>
          <dt>/</dt><dd>search</dd>
          <dt>Esc</dt><dd>close the sample, then choose all samples</dd>
        </dl>
        <p>Every chart shows the chosen samples, and chooses: a cell of the confusion matrix, a subset, a colour, a lasso. All conditions
          hold together. The address holds the whole view: copy it, and whoever has this file sees the same.</p>
        <p class="hint">Made by <code>{model.contents.command}</code></p>
        <button type="button" onClick={() => help.current!.close()}>Close</button>
      </dialog>
    </header>
  );
}

function Charts() {
  const store = useStore();
  const { runs } = store.model.contents;
  return (
    <section class="charts" aria-label="Charts">
      <header>
        <h2>What the audit measured</h2>
        {runs.length > 1 && (
          <Choice label="Run of the charts" value={String(store.view.value.run)} options={runs.map((run, i) => [String(i), run.name])}
            onChange={(run) => store.change({ run: Number(run), threshold: null })} />
        )}
      </header>
      <div class="grid-of-charts"><Confusion /><Subsets /><Recall /><Rejection /><Curves /></div>
    </section>
  );
}

function Page({ store }: { store: Store }) {
  const { said } = store.model.contents;
  return (
    <StoreContext.Provider value={store}>
      <Header />
      {[...store.notices.value, ...said].map((each) => <p key={each} class="notice" role="status">{each}</p>)}
      <Conditions />
      <main>
        <aside><Legend /><Changed /><Worth /></aside>
        <div class={`maps of${store.view.value.sides.length}`}>{store.view.value.sides.map((_, i) => <MapOf key={i} number={i} />)}</div>
        <Panel />
      </main>
      <Charts />
      <Table />
    </StoreContext.Provider>
  );
}

const place = document.getElementById("explorer")!;
const began = performance.now();

/** What has been read when the parser reaches the end of the file, or where the file ends. */
function whole(): Promise<void> {
  return new Promise((go, stop) => {
    const look = () =>
      document.getElementById("whole") ? go() : stop(new Error("the file is not whole; copy it again, or make it again"));
    if (document.readyState === "loading") addEventListener("DOMContentLoaded", look);
    else look();
  });
}

whole()
  .then(open)
  .then((model) => {
    place.replaceChildren();
    render(<Page store={made(model)} />, place);
    place.dataset.opened = (performance.now() - began).toFixed(0);
  })
  .catch((error: unknown) => {
    const words = document.createElement("p");
    words.className = "notice";
    words.setAttribute("role", "alert");
    words.textContent = `This page could not be opened: ${error instanceof Error ? error.message : String(error)}`;
    place.replaceChildren(words);
    throw error;
  });
