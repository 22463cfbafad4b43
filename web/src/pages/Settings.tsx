import { useSearchParams } from "react-router"

import { Page } from "../layout/Page"
import { ApiKeys } from "../settings/ApiKeys"
import { Secrets } from "../settings/Secrets"
import { UsageAndBudgets } from "../settings/Usage"
import { Tabs } from "../ui/Tabs"

const TABS = [
  { id: "secrets", label: "Secrets" },
  { id: "keys", label: "API keys" },
  { id: "usage", label: "Usage and budget" },
] as const
type Tab = (typeof TABS)[number]["id"]

export function SettingsPage() {
  const [params, setParams] = useSearchParams()
  const asked = params.get("tab")
  const tab: Tab = TABS.find((one) => one.id === asked)?.id ?? "secrets"
  return (
    <Page title="Settings">
      <Tabs
        label="Settings"
        tabs={TABS}
        value={tab}
        onChange={(id) => setParams({ tab: id }, { replace: true })}
      >
        {tab === "secrets" ? <Secrets /> : tab === "keys" ? <ApiKeys /> : <UsageAndBudgets />}
      </Tabs>
    </Page>
  )
}
