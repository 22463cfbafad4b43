import { Bot, Copy, Plus } from "lucide-react"
import { useState } from "react"

import { Badge } from "../ui/Badge"
import { Button } from "../ui/Button"
import { Confirm, Dialog } from "../ui/Dialog"
import { Field } from "../ui/Field"
import { Empty, Failed, Loading } from "../ui/State"
import { ago, exact } from "../ui/time"
import { useToast } from "../ui/Toast"
import table from "../ui/table.module.css"
import {
  createApiKey,
  revokeApiKey,
  useApiKeys,
  useChange,
  type ApiKey,
  type NewApiKey,
  type Role,
} from "./queries"
import styles from "./settings.module.css"

const ROLES: { role: Role; text: string }[] = [
  { role: "viewer", text: "Viewer: reads" },
  { role: "runner", text: "Runner: reads, and runs workflows" },
  { role: "editor", text: "Editor: also writes workflows" },
  { role: "admin", text: "Admin: everything that you may" },
]
const LIFETIMES = [7, 30, 90, 365]
const DAY_MS = 86_400_000

/** Keys by which programs act for the caller. */
export function ApiKeys() {
  const list = useApiKeys()
  const [isMaking, setMaking] = useState(false)
  const [made, setMade] = useState<NewApiKey | null>(null)
  const [revoking, setRevoking] = useState<ApiKey | null>(null)
  const revoke = useChange("api-keys", revokeApiKey)
  const { say, complain } = useToast()
  const add = (
    <Button variant="primary" icon={<Plus size={16} />} onClick={() => setMaking(true)}>
      New API key
    </Button>
  )
  return (
    <section>
      <div className={styles.lead}>
        <p>
          For programs, which send one as <code>Authorization: Bearer</code>. A key acts for you,
          and is shown once.
        </p>
        {list.isSuccess && list.data.items.length > 0 && add}
      </div>
      {list.isPending ? (
        <Loading what="API keys" />
      ) : list.isError ? (
        <Failed error={list.error} onRetry={() => void list.refetch()} />
      ) : list.data.items.length === 0 ? (
        <Empty icon={<Bot />} title="No API keys yet" action={add} />
      ) : (
        <div className={table.frame}>
          <table>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Key</th>
                <th scope="col">Role</th>
                <th scope="col">Last used</th>
                <th scope="col">Expires</th>
                <th>
                  <span className="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {list.data.items.map((one) => (
                <Row key={one.id} apiKey={one} onRevoke={() => setRevoking(one)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {isMaking && (
        <KeyDialog
          onClose={() => setMaking(false)}
          onMade={(key) => {
            setMaking(false)
            setMade(key)
          }}
        />
      )}
      {made !== null && <ShownOnce made={made} onClose={() => setMade(null)} />}
      <Confirm
        title={`Revoke ${revoking?.name ?? ""}?`}
        open={revoking !== null}
        action="Revoke"
        busy={revoke.isPending}
        onClose={() => setRevoking(null)}
        onConfirm={() => {
          if (revoking === null) return
          revoke.mutate(revoking.id, {
            onSuccess: () => {
              say(`${revoking.name} is revoked`)
              setRevoking(null)
            },
            onError: complain,
          })
        }}
      >
        Whatever uses it is refused within ten seconds, for good.
      </Confirm>
    </section>
  )
}

function Row({ apiKey, onRevoke }: { apiKey: ApiKey; onRevoke: () => void }) {
  const [now] = useState(Date.now)
  const isRevoked = apiKey.revoked_at !== null
  const isExpired = apiKey.expires_at !== null && Date.parse(apiKey.expires_at) <= now
  return (
    <tr>
      <td>{apiKey.name}</td>
      <td>
        <code>…{apiKey.hint}</code>
      </td>
      <td>{apiKey.role}</td>
      <td title={apiKey.last_used_at === null ? undefined : exact(apiKey.last_used_at)}>
        {apiKey.last_used_at === null ? "never" : ago(apiKey.last_used_at)}
      </td>
      <td title={apiKey.expires_at === null ? undefined : exact(apiKey.expires_at)}>
        {apiKey.expires_at === null ? "never" : ago(apiKey.expires_at)}
      </td>
      <td className={styles.buttons}>
        {isRevoked ? (
          <Badge>Revoked</Badge>
        ) : isExpired ? (
          <Badge tone="warn">Expired</Badge>
        ) : (
          <Button
            size="small"
            variant="danger"
            aria-label={`Revoke ${apiKey.name}`}
            onClick={onRevoke}
          >
            Revoke
          </Button>
        )}
      </td>
    </tr>
  )
}

function KeyDialog(props: { onClose: () => void; onMade: (key: NewApiKey) => void }) {
  const [name, setName] = useState("")
  const [role, setRole] = useState<Role>("runner")
  const [days, setDays] = useState("90")
  const create = useChange("api-keys", createApiKey)
  const { complain } = useToast()
  function submit() {
    if (name.trim() === "" || create.isPending) return
    const expires = days === "" ? null : new Date(Date.now() + Number(days) * DAY_MS).toISOString()
    create.mutate(
      { name: name.trim(), role, expires_at: expires },
      { onSuccess: props.onMade, onError: complain },
    )
  }
  return (
    <Dialog
      title="New API key"
      open
      onClose={props.onClose}
      footer={
        <>
          <Button onClick={props.onClose}>Cancel</Button>
          <Button
            variant="primary"
            disabled={name.trim() === ""}
            busy={create.isPending}
            onClick={submit}
          >
            Make key
          </Button>
        </>
      }
    >
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault()
          submit()
        }}
      >
        <Field label="Name" hint="What it is for, such as: nightly build">
          {(field) => (
            <input
              {...field}
              autoFocus
              maxLength={100}
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field label="Role">
          {(field) => (
            <select
              {...field}
              value={role}
              onChange={(event) => setRole(event.target.value as Role)}
            >
              {ROLES.map((one) => (
                <option key={one.role} value={one.role}>
                  {one.text}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label="Expires">
          {(field) => (
            <select {...field} value={days} onChange={(event) => setDays(event.target.value)}>
              {LIFETIMES.map((one) => (
                <option key={one} value={one}>
                  in {one} days
                </option>
              ))}
              <option value="">never</option>
            </select>
          )}
        </Field>
        <button type="submit" hidden />
      </form>
    </Dialog>
  )
}

function ShownOnce({ made, onClose }: { made: NewApiKey; onClose: () => void }) {
  const { say, complain } = useToast()
  return (
    <Dialog
      title={`The key ${made.name}`}
      open
      onClose={onClose}
      footer={
        <Button variant="primary" onClick={onClose}>
          I have kept it
        </Button>
      }
    >
      <p>Keep it where your program finds it. It is not shown again.</p>
      <Field label="API key">
        {(field) => (
          <div className={styles.key}>
            <input
              {...field}
              readOnly
              value={made.key}
              onFocus={(event) => event.target.select()}
            />
            <Button
              icon={<Copy size={16} />}
              onClick={() =>
                void navigator.clipboard
                  .writeText(made.key)
                  .then(() => say("Copied"))
                  .catch(complain)
              }
            >
              Copy
            </Button>
          </div>
        )}
      </Field>
    </Dialog>
  )
}
