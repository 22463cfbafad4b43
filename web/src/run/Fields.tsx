import { Field, Switch } from "../ui/Field"
import type { Draft, FieldSpec } from "./fields"
import styles from "./run.module.css"

/** The controls of a form of values. */
export function Fields(props: {
  fields: readonly FieldSpec[]
  draft: Draft
  errors: Record<string, string>
  onChange: (draft: Draft) => void
}) {
  const set = (name: string, value: string | boolean) =>
    props.onChange({ ...props.draft, [name]: value })
  return props.fields.map((spec) => {
    const value = props.draft[spec.name] ?? ""
    if (typeof value === "boolean")
      return (
        <Switch
          key={spec.name}
          label={spec.label}
          hint={spec.hint}
          checked={value}
          onChange={(checked) => set(spec.name, checked)}
        />
      )
    return (
      <Field
        key={spec.name}
        label={spec.label}
        hint={spec.hint}
        required={spec.required}
        error={props.errors[spec.name] ?? null}
      >
        {(field) => {
          const change = (event: { target: { value: string } }) =>
            set(spec.name, event.target.value)
          switch (spec.kind) {
            case "choice":
              return (
                <select {...field} value={value} onChange={change}>
                  <option value="">–</option>
                  {spec.choices.map((choice) => (
                    <option key={JSON.stringify(choice)} value={JSON.stringify(choice)}>
                      {String(choice)}
                    </option>
                  ))}
                </select>
              )
            case "long":
            case "json":
              return (
                <textarea
                  {...field}
                  className={`${field.className} ${spec.kind === "json" ? styles.mono : ""}`}
                  rows={spec.kind === "json" ? 4 : 3}
                  placeholder={spec.kind === "json" ? PLACEHOLDERS[spec.json] : undefined}
                  spellCheck={spec.kind !== "json"}
                  value={value}
                  onChange={change}
                />
              )
            default:
              return (
                <input
                  {...field}
                  inputMode={spec.kind === "text" ? "text" : "decimal"}
                  value={value}
                  onChange={change}
                />
              )
          }
        }}
      </Field>
    )
  })
}

const PLACEHOLDERS = { object: "{ … }", array: "[ … ]", any: "any JSON" }
