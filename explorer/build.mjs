// Builds the page's program and style into the package, so that users need no Node.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const here = import.meta.dirname;
const out = join(here, "../src/spacewise/explorer/bundle");

/** SHA-256 over names and texts of all sources: a test holds the committed bundle against it. */
function digest() {
  const names = ["build.mjs", "package.json", "package-lock.json"];
  const sources = readdirSync(join(here, "src"), { recursive: true }).map((name) => `src/${name}`);
  const hash = createHash("sha256");
  for (const name of [...names, ...sources.filter((name) => /\.(tsx?|css)$/.test(name))].sort()) {
    hash.update(`${name}\0`).update(readFileSync(join(here, name))).update("\0");
  }
  return hash.digest("hex");
}

await build({
  entryPoints: { explorer: join(here, "src/main.tsx") },
  outdir: out,
  bundle: true,
  minify: true,
  charset: "utf8",
  format: "iife",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "inline",
  banner: { js: `/* spacewise explorer, sources ${digest()} */` },
  logLevel: "info",
});
