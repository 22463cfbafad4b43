import type { Schemas } from "../api/client"
import styles from "./panel.module.css"

type DiffOut = Schemas["DiffOut"]
type Change = Schemas["ChangeOut"]
type Part = Pick<DiffOut, "nodes" | "edges">

/** What is different between two versions; what only moved is not shown. */
export function Diff({ diff }: { diff: DiffOut }) {
  if (diff.is_same) return <p className={styles.text}>Nothing is different.</p>
  if (diff.is_cosmetic) {
    return <p className={styles.text}>Only the drawing is different: it runs as before.</p>
  }
  return (
    <ul className={styles.diff}>
      {diff.settings.map((change) => (
        <li key={change.path} data-kind={change.kind}>
          <strong>Workflow</strong>
          <ChangeText change={change} />
        </li>
      ))}
      <Parts part={diff} />
      {diff.bodies.map((body) => (
        <Parts key={body.container} part={body} around={`${body.container} › `} />
      ))}
    </ul>
  )
}

function Parts({ part, around = "" }: { part: Part; around?: string }) {
  const { nodes, edges } = part
  return (
    <>
      {nodes.added.map((node) => (
        <li key={`+${text(node.id)}`} data-kind="added">
          Added {around}
          <strong>{text(node.id)}</strong> ({text(node.type)})
        </li>
      ))}
      {nodes.removed.map((node) => (
        <li key={`-${text(node.id)}`} data-kind="removed">
          Removed {around}
          <strong>{text(node.id)}</strong> ({text(node.type)})
        </li>
      ))}
      {nodes.changed.map((node) => (
        <li key={node.id} data-kind="changed">
          {around}
          <strong>{node.name}</strong>
          {node.changes.map((change) => (
            <ChangeText key={change.path} change={change} />
          ))}
        </li>
      ))}
      {edges.added.map((edge, index) => (
        <li key={`e+${index}`} data-kind="added">
          Joined {around}
          {edgeText(edge)}
        </li>
      ))}
      {edges.removed.map((edge, index) => (
        <li key={`e-${index}`} data-kind="removed">
          Parted {around}
          {edgeText(edge)}
        </li>
      ))}
      {edges.reordered && <li data-kind="changed">{around}The edges stand in another order.</li>}
    </>
  )
}

function ChangeText({ change }: { change: Change }) {
  return (
    <div>
      <code>{change.path.replace(/^\//, "").replaceAll("/", ".")}</code>
      {change.kind !== "added" && <del>{text(change.old)}</del>}
      {change.kind !== "removed" && <ins>{text(change.new)}</ins>}
    </div>
  )
}

function edgeText(edge: Record<string, unknown>): string {
  const handle = edge.source_handle
  const by = handle == null ? "" : ` (${text(handle)})`
  return `${text(edge.source)}${by} → ${text(edge.target)}`
}

const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value))
