import { Page } from "../layout/Page"

export function SettingsPage() {
  return <Page title="Settings">{null}</Page>
}
