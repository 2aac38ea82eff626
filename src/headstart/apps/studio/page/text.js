// Sentences from `strings.js`, with their values and in the right number.

import { strings } from "./strings.js";

const rules = new Intl.PluralRules(strings.language);
const numbers = new Intl.NumberFormat(strings.language);
const rough = new Intl.NumberFormat(strings.language, { maximumFractionDigits: 1 });

/** The sentence `key`; `{name}` in it becomes `values.name`, and `values.n` chooses between its plural forms. */
export function t(key, values = {}) {
  const found = strings[key];
  if (found === undefined) throw new Error(`strings.js has no "${key}"`);
  const sentence = typeof found === "string" ? found : (found[rules.select(values.n)] ?? found.other);
  return sentence.replace(/\{(\w+)\}/g, (_, name) => shown(values[name]));
}

const shown = (value) => (typeof value === "number" ? numbers.format(value) : String(value));

/** 0.931 -> "93 %". Never "100 %" or "0 %" for what only rounds to it. */
export function percent(share) {
  const rounded = Math.round(share * 100);
  if (rounded === 100 && share < 1) return t("percent", { value: 99 });
  if (rounded === 0 && share > 0) return t("percent.tiny");
  return t("percent", { value: rounded });
}

/** A number with at most one digit after the point. */
export const number = (value) => rough.format(value);
