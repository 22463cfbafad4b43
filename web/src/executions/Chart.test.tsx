import { render, screen } from "@testing-library/react"
import { expect, it } from "vitest"

import { Chart } from "./Chart"

it("says in words what its bars show, and the sum", () => {
  const part = (name: string, value: number) => ({ name, tone: "ok", value })
  render(
    <Chart
      title="Runs a day"
      text={(value) => String(value)}
      bars={[
        { day: "2026-03-01", parts: [part("Succeeded", 3), part("Failed", 1)] },
        { day: "2026-03-02", parts: [part("Succeeded", 0), part("Failed", 0)] },
        { day: "2026-03-03", parts: [part("Succeeded", 2), part("Failed", 0)] },
      ]}
    />,
  )
  expect(screen.getByText("6")).toBeInTheDocument()
  const rows = screen.getAllByRole("row").map((row) => row.textContent)
  expect(rows).toEqual(["Mar 14 (Succeeded 3, Failed 1)", "Mar 32"])
})
