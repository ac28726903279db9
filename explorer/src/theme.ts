/** Light or dark: the system's, until the button says otherwise. */

import { effect, signal } from "@preact/signals";

const system = matchMedia("(prefers-color-scheme: dark)");

export const theme = signal<"light" | "dark">(system.matches ? "dark" : "light");

system.addEventListener("change", () => (theme.value = system.matches ? "dark" : "light"));
effect(() => {
  document.documentElement.dataset.theme = theme.value;
});
