import { Plus, Trash2 } from "lucide-react"
import { useId } from "react"
import { CodeField, type CodeKind } from "../canvas/CodeField"
import { Button, IconButton } from "../ui/Button"
import { Field, Switch } from "../ui/Field"
import { Prose } from "../ui/Prose"
import { useForm, useIssues } from "./context"
import styles from "./forms.module.css"
import { JsonField } from "./JsonField"
import { Pairs } from "./Pairs"
import { blank, kindOf, labelOf, resolve, type Schema } from "./schema"
import { ValueField } from "./ValueField"

export interface SchemaFieldProps {
  name: string
  /** Such as `config.cases[0].expression`, as issues name it. */
  path: string
  schema: Schema
  value: unknown
  required: boolean
  /** undefined takes the field away. */
  onChange: (value: unknown) => void
}

/** One field of a configuration, edited as its schema says. */
export function SchemaField(props: SchemaFieldProps) {
  const { defs, choices } = useForm()
  const { schema } = resolve(props.schema, defs)
  const kind = kindOf(schema, defs)
  const label = labelOf(props.name, schema)
  const error = useIssues(props.path)[0]?.message ?? null
  const shown = {
    label,
    hint: schema.description === undefined ? undefined : <Prose>{schema.description}</Prose>,
    error,
    required: props.required,
  }
  const { value, onChange, path } = props
  const listed = choices[props.name]

  if (listed !== undefined && kind === "text") {
    return (
      <Field {...shown}>
        {(field) => (
          <select
            {...field}
            value={typeof value === "string" ? value : ""}
            onChange={(event) => onChange(event.target.value || undefined)}
          >
            <option value="">Choose…</option>
            {listed.map(([id, text]) => (
              <option key={id} value={id}>
                {text}
              </option>
            ))}
          </select>
        )}
      </Field>
    )
  }

  switch (kind) {
    case "fixed":
      return null
    case "cel":
    case "python":
      return <TextField {...props} kind={kind} schema={schema} label={label} />
    case "template":
      return schema.type === "string" ? (
        <TextField {...props} kind="template" schema={schema} label={label} />
      ) : (
        <ValueField {...shown} schema={schema} path={path} value={value} onChange={onChange} />
      )
    case "choice":
      return (
        <Field {...shown}>
          {(field) => (
            <select
              {...field}
              value={JSON.stringify(value ?? schema.default ?? null)}
              onChange={(event) => {
                const chosen: unknown = JSON.parse(event.target.value)
                onChange(chosen ?? undefined)
              }}
            >
              {!props.required && schema.default == null && <option value="null">Default</option>}
              {schema.enum?.map((one) => (
                <option key={JSON.stringify(one)} value={JSON.stringify(one)}>
                  {String(one)}
                </option>
              ))}
            </select>
          )}
        </Field>
      )
    case "boolean":
      return (
        <Switch
          label={label}
          {...(schema.description === undefined ? {} : { hint: schema.description })}
          checked={value === undefined ? schema.default === true : value === true}
          onChange={onChange}
        />
      )
    case "number":
      return (
        <Field {...shown}>
          {(field) => (
            <input
              {...field}
              type="number"
              inputMode="decimal"
              step={schema.type === "integer" ? 1 : "any"}
              min={schema.minimum ?? schema.exclusiveMinimum}
              max={schema.maximum}
              placeholder={typeof schema.default === "number" ? String(schema.default) : ""}
              value={typeof value === "number" ? value : ""}
              onChange={(event) =>
                onChange(event.target.value === "" ? undefined : event.target.valueAsNumber)
              }
            />
          )}
        </Field>
      )
    case "text":
      return (
        <Field {...shown}>
          {(field) => (
            <input
              {...field}
              type="text"
              placeholder={typeof schema.default === "string" ? schema.default : ""}
              value={typeof value === "string" ? value : ""}
              onChange={(event) =>
                onChange(
                  event.target.value === "" && !props.required ? undefined : event.target.value,
                )
              }
            />
          )}
        </Field>
      )
    case "texts":
      return <Texts {...props} schema={schema} label={label} />
    case "objects":
      return <Objects {...props} schema={schema} label={label} />
    case "pairs":
      return (
        <Pairs
          {...shown}
          schema={schema}
          path={path}
          value={value as Record<string, unknown> | undefined}
          onChange={onChange}
        />
      )
    case "group":
      return (
        <Group label={label} hint={schema.description} value={value} onChange={onChange}>
          <SchemaFields schema={schema} path={path} value={value} onChange={onChange} />
        </Group>
      )
    case "variants":
      return <Variants {...props} schema={schema} label={label} />
    case "json":
      return <JsonField {...shown} value={value} onChange={onChange} />
  }
}

/** The fields of an object. */
export function SchemaFields(props: {
  schema: Schema
  path: string
  value: unknown
  onChange: (value: unknown) => void
  only?: (name: string) => boolean
}) {
  const value = isObject(props.value) ? props.value : {}
  const required = new Set(props.schema.required)
  return (
    <>
      {Object.entries(props.schema.properties ?? {}).map(([name, schema]) =>
        props.only?.(name) === false ? null : (
          <SchemaField
            key={name}
            name={name}
            path={`${props.path}.${name}`}
            schema={schema}
            value={value[name]}
            required={required.has(name)}
            onChange={(next) => {
              const { [name]: _, ...others } = value
              props.onChange(next === undefined ? others : { ...value, [name]: next })
            }}
          />
        ),
      )}
    </>
  )
}

function TextField(props: SchemaFieldProps & { kind: CodeKind; label: string }) {
  const { names } = useForm()
  const issues = useIssues(props.path)
  const id = useId()
  const placed = issues.filter((issue) => issue.line != null)
  const written = props.schema["x-pilot"]
  return (
    <div className={styles.field}>
      <span className={styles.label} id={`${id}-label`}>
        {props.label}
        {props.required && <span className={styles.required}>*</span>}
      </span>
      <CodeField
        kind={props.kind}
        label={props.label}
        describedBy={`${id}-about`}
        value={typeof props.value === "string" ? props.value : ""}
        lines={LINES[props.kind]}
        placeholder={props.kind === "template" ? "Text, with {expressions}" : ""}
        issues={placed}
        names={() => names(written ?? {})}
        onChange={(text) => props.onChange(text === "" && !props.required ? undefined : text)}
      />
      <div id={`${id}-about`}>
        {props.schema.description !== undefined && (
          <p className={styles.hint}>
            <Prose>{props.schema.description}</Prose>
          </p>
        )}
        {issues.map((issue, index) => (
          <p key={index} className={styles.error} data-severity={issue.severity}>
            {issue.line != null && props.kind === "python" && `Line ${issue.line}: `}
            {issue.message}
          </p>
        ))}
      </div>
    </div>
  )
}

const LINES: Record<CodeKind, number> = { template: 2, cel: 1, python: 10, json: 3 }

function Group(props: {
  label: string
  hint?: string | undefined
  value: unknown
  onChange: (value: unknown) => void
  children: React.ReactNode
}) {
  if (props.value == null) {
    return (
      <div className={styles.field}>
        <span className={styles.label}>{props.label}</span>
        {props.hint !== undefined && <p className={styles.hint}>{props.hint}</p>}
        <div>
          <Button size="small" icon={<Plus size={14} />} onClick={() => props.onChange({})}>
            Set
          </Button>
        </div>
      </div>
    )
  }
  return (
    <fieldset className={styles.group}>
      <legend>{props.label}</legend>
      <IconButton
        size="small"
        className={styles.away ?? ""}
        label={`Remove ${props.label}`}
        icon={<Trash2 size={14} />}
        onClick={() => props.onChange(undefined)}
      />
      {props.children}
    </fieldset>
  )
}

function Texts(props: SchemaFieldProps & { label: string }) {
  const { names, defs } = useForm()
  const given = props.value
  const list = Array.isArray(given) ? (given as unknown[]) : given == null ? [] : [given]
  const issues = useIssues(props.path)
  const written = props.schema["x-pilot"]
  const options = props.schema.items ? resolve(props.schema.items, defs).schema.enum : undefined
  const set = (next: unknown[]) => props.onChange(next.length === 0 ? undefined : next)
  return (
    <div className={styles.field} role="group" aria-label={props.label}>
      <span className={styles.label}>{props.label}</span>
      {props.schema.description !== undefined && (
        <p className={styles.hint}>
          <Prose>{props.schema.description}</Prose>
        </p>
      )}
      {list.map((one, index) => {
        const label = `${props.label} ${index + 1}`
        const change = (value: unknown) => set(list.map((old, at) => (at === index ? value : old)))
        return (
          <div key={index} className={styles.item}>
            {options ? (
              <select
                className={styles.input}
                aria-label={label}
                value={String(one)}
                onChange={(event) => change(event.target.value)}
              >
                {options.map((option) => (
                  <option key={String(option)}>{String(option)}</option>
                ))}
              </select>
            ) : written?.text === "template" ? (
              <CodeField
                kind="template"
                label={label}
                value={String(one)}
                names={() => names(written)}
                onChange={change}
              />
            ) : (
              <input
                className={styles.input}
                aria-label={label}
                value={String(one)}
                onChange={(event) => change(event.target.value)}
              />
            )}
            <IconButton
              size="small"
              label={`Remove ${label}`}
              icon={<Trash2 size={14} />}
              onClick={() => set(list.filter((_, at) => at !== index))}
            />
          </div>
        )
      })}
      {issues.map((issue, index) => (
        <p key={index} className={styles.error}>
          {issue.message}
        </p>
      ))}
      <div>
        <Button
          size="small"
          icon={<Plus size={14} />}
          onClick={() => set([...list, options?.[0] ?? ""])}
        >
          Add
        </Button>
      </div>
    </div>
  )
}

function Objects(props: SchemaFieldProps & { label: string }) {
  const { defs } = useForm()
  const list = Array.isArray(props.value) ? (props.value as unknown[]) : []
  const items = resolve(props.schema.items ?? {}, defs).schema
  const issues = useIssues(props.path)
  const set = (next: unknown[]) => props.onChange(next.length === 0 ? undefined : next)
  return (
    <div className={styles.field} role="group" aria-label={props.label}>
      <span className={styles.label}>{props.label}</span>
      {props.schema.description !== undefined && (
        <p className={styles.hint}>
          <Prose>{props.schema.description}</Prose>
        </p>
      )}
      {list.map((one, index) => (
        <fieldset key={index} className={styles.group}>
          <legend>{index + 1}</legend>
          <IconButton
            size="small"
            className={styles.away ?? ""}
            label={`Remove ${props.label} ${index + 1}`}
            icon={<Trash2 size={14} />}
            onClick={() => set(list.filter((_, at) => at !== index))}
          />
          <SchemaFields
            schema={items}
            path={`${props.path}[${index}]`}
            value={one}
            onChange={(value) => set(list.map((old, at) => (at === index ? value : old)))}
          />
        </fieldset>
      ))}
      {issues.map((issue, index) => (
        <p key={index} className={styles.error}>
          {issue.message}
        </p>
      ))}
      <div>
        <Button
          size="small"
          icon={<Plus size={14} />}
          onClick={() => set([...list, blank(items, defs)])}
        >
          Add
        </Button>
      </div>
    </div>
  )
}

function Variants(props: SchemaFieldProps & { label: string }) {
  const { defs } = useForm()
  const key = props.schema.discriminator?.propertyName ?? "type"
  const variants = (props.schema.oneOf ?? []).map((one) => resolve(one, defs).schema)
  const nameOf = (schema: Schema) => String(schema.properties?.[key]?.const)
  const value = isObject(props.value) ? props.value : null
  const chosen = variants.find((one) => nameOf(one) === value?.[key])
  return (
    <div className={styles.field}>
      <Field label={props.label} hint={props.schema.description}>
        {(field) => (
          <select
            {...field}
            value={chosen ? nameOf(chosen) : ""}
            onChange={(event) => {
              const next = variants.find((one) => nameOf(one) === event.target.value)
              props.onChange(next ? blank(next, defs) : undefined)
            }}
          >
            <option value="">None</option>
            {variants.map((one) => (
              <option key={nameOf(one)}>{nameOf(one)}</option>
            ))}
          </select>
        )}
      </Field>
      {chosen && (
        <div className={styles.group}>
          <SchemaFields
            schema={chosen}
            path={`${props.path}.${nameOf(chosen)}`}
            value={value}
            onChange={props.onChange}
          />
        </div>
      )}
    </div>
  )
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
