export interface Slot {
  /** Of the opening brace. */
  from: number
  /** After the closing one; the text's end where it is not closed. */
  to: number
  closed: boolean
}

/** Where the `{expression}`s of a template are: `{{` and `}}` are braces of the text, and a brace
 * inside of an expression may be an object's or stand in a string. */
export function slots(text: string): Slot[] {
  const found: Slot[] = []
  let index = 0
  while (index < text.length) {
    const char = text[index]
    if (char !== "{" || text[index + 1] === "{") {
      index += char === "{" ? 2 : 1
      continue
    }
    const end = expressionEnd(text, index + 1)
    found.push({ from: index, to: end ?? text.length, closed: end !== null })
    index = end ?? text.length
  }
  return found
}

function expressionEnd(text: string, from: number): number | null {
  let depth = 1
  let quote: string | null = null
  for (let index = from; index < text.length; index++) {
    const char = text[index]
    if (quote !== null) {
      if (char === "\\") index++
      else if (char === quote) quote = null
    } else if (char === '"' || char === "'") quote = char
    else if (char === "{") depth++
    else if (char === "}" && --depth === 0) return index + 1
  }
  return null
}

/** The expression that the cursor is in, as far as it, for the template's text before the cursor;
 * null where it is in plain text. */
export function expressionAt(before: string): string | null {
  const last = slots(before).at(-1)
  return last === undefined || last.closed ? null : before.slice(last.from + 1)
}
