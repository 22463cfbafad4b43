import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete"
import type { Name, Names } from "../graph/names"
import { expressionAt } from "./template"

/** Functions and macros of docs/expressions.md: [name, signature, what it gives]. */
const FUNCTIONS: [string, string, string][] = [
  ["has", "(a.b)", "whether it is there"],
  ["size", "(list | text | map)", "how many"],
  ["string", "(value)", "as text"],
  ["int", "(value)", "as a whole number"],
  ["double", "(value)", "as a number"],
  ["bool", "(value)", "true or false"],
  ["timestamp", "(text)", "a time"],
  ["duration", "(text)", "such as 90m"],
  ["json.encode", "(value)", "JSON text"],
  ["json.decode", "(text)", "the value"],
  ["base64.encode", "(bytes)", "text"],
  ["base64.decode", "(text)", "bytes"],
  ["math.greatest", "(a, b, …)", "the greatest"],
  ["math.least", "(a, b, …)", "the least"],
  ["math.round", "(number)", "the nearest whole one"],
  ["math.ceil", "(number)", "rounded up"],
  ["math.floor", "(number)", "rounded down"],
  ["math.abs", "(number)", "without its sign"],
  ["cel.bind", "(name, value, expression)", "a name for a value"],
  ["optional.of", "(value)", "a value that is there"],
  ["optional.none", "()", "none"],
]
const METHODS: [string, string, string][] = [
  ["map", "(x, …)", "each one changed"],
  ["filter", "(x, …)", "those for which it holds"],
  ["all", "(x, …)", "whether it holds for all"],
  ["exists", "(x, …)", "whether it holds for one"],
  ["exists_one", "(x, …)", "whether for exactly one"],
  ["size", "()", "how many"],
  ["contains", "(text)", "whether it is in it"],
  ["startsWith", "(text)", "whether it begins so"],
  ["endsWith", "(text)", "whether it ends so"],
  ["matches", "(pattern)", "by a regular expression"],
  ["split", "(separator)", "a list"],
  ["join", "(separator)", "one text"],
  ["replace", "(old, new)", "text"],
  ["substring", "(from, to)", "text"],
  ["trim", "()", "text"],
  ["lowerAscii", "()", "text"],
  ["upperAscii", "()", "text"],
  ["sort", "()", "in order"],
  ["distinct", "()", "each once"],
  ["flatten", "()", "one list"],
  ["sum", "()", "their sum"],
  ["orValue", "(value)", "it, or that"],
]

/** Names that only hold others: nothing is done with them as they are. */
const NAMESPACES = new Set(["nodes", "vars", "execution", "secrets", "hooks"])

const PLAIN = /^[A-Za-z_]\w*$/

const call =
  (boost: number) =>
  ([label, detail, info]: [string, string, string]): Completion => ({
    label,
    detail,
    info,
    type: "function",
    apply: `${label}(`,
    boost,
  })

/** Completes what is in scope, in CEL or inside the braces of a template. */
export function completeNames(kind: "cel" | "template", names: () => Names) {
  return (context: CompletionContext): CompletionResult | null => {
    const before = context.state.doc.sliceString(0, context.pos)
    const inside = kind === "cel" ? before : expressionAt(before)
    if (inside === null) return null
    return completionsFor(inside, context.pos, context.explicit, names())
  }
}

/** For the text of an expression up to the cursor, which is at `pos` of the document. */
export function completionsFor(
  text: string,
  pos: number,
  explicit: boolean,
  names: Names,
): CompletionResult | null {
  if (isInString(text)) return null
  const found = /(?:^|[^\w.`\]?])((?:[A-Za-z_]\w*|`[^`]*`|\.\??|\["[^"]*"\])*)$/.exec(text)
  const chain = found?.[1] ?? ""
  const dot = chain.lastIndexOf(".")
  if (dot < 0) {
    if (chain === "" && !explicit && !/[({[,\s!&|=<>?:+*/-]$|^$/.test(text)) return null
    return {
      from: pos - chain.length,
      options: [...options(names), ...FUNCTIONS.map(call(-1))],
      validFor: /^\w*$/,
    }
  }
  const typed = chain.slice(dot + 1).replace(/^\?/, "")
  const path = segments(chain.slice(0, dot))
  const at = lookUp(names, path)
  const children = at?.children
  const isValue = !NAMESPACES.has(path[0] ?? "") || path.length > (path[0] === "nodes" ? 2 : 1)
  return {
    from: pos - typed.length,
    options: [...(children ? options(children) : []), ...(isValue ? METHODS.map(call(-2)) : [])],
    validFor: /^\w*$/,
  }
}

function options(names: Names): Completion[] {
  return Object.entries(names).map(([label, name]) => ({
    label,
    ...(name.detail === undefined ? {} : { detail: name.detail }),
    type: name.children ? "namespace" : "variable",
    // an id that is no plain name is quoted
    apply: PLAIN.test(label) ? label : `\`${label}\``,
  }))
}

function segments(chain: string): string[] {
  const parts = chain.match(/[A-Za-z_]\w*|`[^`]*`|\["[^"]*"\]/g) ?? []
  return parts.map((part) => part.replace(/^`|`$|^\["|"\]$/g, ""))
}

function lookUp(names: Names, path: string[]): Name | undefined {
  let at: Name | undefined = { children: names }
  for (const segment of path) at = at?.children?.[segment]
  return at
}

function isInString(text: string): boolean {
  let quote: string | null = null
  for (let index = 0; index < text.length; index++) {
    const char = text[index]
    if (quote !== null) {
      if (char === "\\") index++
      else if (char === quote) quote = null
    } else if (char === '"' || char === "'") quote = char
  }
  return quote !== null
}
