/** A sentence of the API's, in which `code` stands between backticks. */
export function Prose({ children }: { children: string }) {
  return children
    .split("`")
    .map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))
}
