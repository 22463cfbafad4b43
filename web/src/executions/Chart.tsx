import styles from "./executions.module.css"

export interface Part {
  name: string
  tone: string
  value: number
}

export interface Bar {
  day: string
  parts: Part[]
}

const short = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" })

export const dayName = (day: string): string => short.format(new Date(`${day}T00:00:00Z`))

/** A bar a day, its parts one on another. What it shows is said in words to whoever cannot see. */
export function Chart(props: {
  title: string
  bars: Bar[]
  text: (value: number) => string
  note?: string
}) {
  const sums = props.bars.map((bar) => bar.parts.reduce((sum, part) => sum + part.value, 0))
  const most = Math.max(...sums, 0)
  const total = sums.reduce((sum, one) => sum + one, 0)
  return (
    <figure className={styles.chart}>
      <figcaption>
        <span>{props.title}</span>
        <strong>{props.text(total)}</strong>
      </figcaption>
      <div className={styles.bars} aria-hidden>
        {props.bars.map((bar, index) => (
          <div
            key={bar.day}
            className={styles.bar}
            title={`${dayName(bar.day)}: ${props.text(sums[index] ?? 0)}${detail(bar, props.text)}`}
          >
            {bar.parts
              .filter((part) => part.value > 0)
              .map((part) => (
                <span
                  key={part.name}
                  data-tone={part.tone}
                  style={{ height: `${(part.value / most) * 100}%` }}
                />
              ))}
          </div>
        ))}
      </div>
      <div className={styles.axis} aria-hidden>
        <span>{dayName(props.bars[0]?.day ?? "")}</span>
        {props.note !== undefined && <span>{props.note}</span>}
        <span>{dayName(props.bars.at(-1)?.day ?? "")}</span>
      </div>
      <table className="visually-hidden">
        <caption>{props.title}</caption>
        <tbody>
          {props.bars.map((bar, index) =>
            (sums[index] ?? 0) === 0 ? null : (
              <tr key={bar.day}>
                <th scope="row">{dayName(bar.day)}</th>
                <td>
                  {props.text(sums[index] ?? 0)}
                  {detail(bar, props.text)}
                </td>
              </tr>
            ),
          )}
        </tbody>
      </table>
    </figure>
  )
}

function detail(bar: Bar, text: (value: number) => string): string {
  const parts = bar.parts.filter((part) => part.value > 0)
  if (parts.length < 2) return ""
  return ` (${parts.map((part) => `${part.name} ${text(part.value)}`).join(", ")})`
}
