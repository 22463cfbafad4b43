import { render, screen } from "@testing-library/react"
import userEvent from "@testing-library/user-event"
import { Menu } from "./Menu"

function shown() {
  const chosen = vi.fn<(what: string) => void>()
  render(
    <Menu
      label="More"
      items={[
        { label: "Export", onSelect: () => chosen("export") },
        { label: "Share", onSelect: () => chosen("share"), disabled: true },
        null,
        { label: "Delete", onSelect: () => chosen("delete"), danger: true },
      ]}
    >
      {(trigger) => <button {...trigger}>More</button>}
    </Menu>,
  )
  return chosen
}

test("opens, goes round by arrows past what is disabled, and chooses by Enter", async () => {
  const chosen = shown()
  const user = userEvent.setup()
  await user.click(screen.getByRole("button", { name: "More" }))
  expect(screen.getByRole("menuitem", { name: "Export" })).toHaveFocus()
  await user.keyboard("{ArrowDown}")
  expect(screen.getByRole("menuitem", { name: "Delete" })).toHaveFocus()
  await user.keyboard("{ArrowDown}")
  expect(screen.getByRole("menuitem", { name: "Export" })).toHaveFocus()
  await user.keyboard("d{Enter}")
  expect(chosen).toHaveBeenCalledExactlyOnceWith("delete")
  expect(screen.queryByRole("menu")).toBeNull()
})

test("Escape closes it and gives the focus back", async () => {
  shown()
  const user = userEvent.setup()
  const button = screen.getByRole("button", { name: "More" })
  await user.click(button)
  await user.keyboard("{Escape}")
  expect(screen.queryByRole("menu")).toBeNull()
  expect(button).toHaveFocus()
})
