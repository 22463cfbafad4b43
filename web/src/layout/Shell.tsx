import { Activity, LogOut, Monitor, Moon, Settings, Sun, UserCheck, Workflow } from "lucide-react"
import { Suspense, useEffect } from "react"
import { NavLink, Outlet, useLocation } from "react-router"
import { useSession } from "../auth/session"
import { Menu } from "../ui/Menu"
import { Loading } from "../ui/State"
import { Logo } from "../ui/Logo"
import { chooseTheme, useThemeChoice, type ThemeChoice } from "../ui/theme"
import styles from "./layout.module.css"

const PLACES = [
  { to: "/workflows", label: "Workflows", icon: Workflow },
  { to: "/executions", label: "Executions", icon: Activity },
  { to: "/approvals", label: "Approvals", icon: UserCheck },
  { to: "/settings", label: "Settings", icon: Settings },
]

const THEMES: [ThemeChoice, string, typeof Sun][] = [
  ["light", "Light", Sun],
  ["dark", "Dark", Moon],
  ["system", "As the system", Monitor],
]

/** The page's frame: where one can go, and who one is. Every page has a `main` of its own. */
export function Shell() {
  const session = useSession()
  const choice = useThemeChoice()
  const { pathname } = useLocation()

  useEffect(() => {
    const place = PLACES.find((one) => pathname.startsWith(one.to))
    document.title = place === undefined ? "πlot" : `${place.label} · πlot`
  }, [pathname])

  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#main">
        Skip to the page
      </a>
      <nav className={styles.nav} aria-label="Main">
        <NavLink to="/workflows" className={styles.brand ?? ""} aria-label="πlot">
          <Logo size={32} />
        </NavLink>
        <ul>
          {PLACES.map(({ to, label, icon: Icon }) => (
            <li key={to}>
              <NavLink to={to} className={styles.place ?? ""}>
                <Icon size={20} aria-hidden />
                <span>{label}</span>
              </NavLink>
            </li>
          ))}
        </ul>
        <Menu
          label="You"
          items={[
            ...THEMES.map(([value, label, Icon]) => ({
              label: value === choice ? `${label} ✓` : label,
              icon: <Icon size={16} />,
              onSelect: () => chooseTheme(value),
            })),
            null,
            { label: "Sign out", icon: <LogOut size={16} />, onSelect: session.signOut },
          ]}
        >
          {(trigger) => (
            <button
              {...trigger}
              type="button"
              className={styles.avatar}
              title={session.name}
              aria-label={`${session.name}: theme, sign out`}
            >
              {session.name.slice(0, 1).toUpperCase()}
            </button>
          )}
        </Menu>
      </nav>
      <Suspense fallback={<Loading what="the page" />}>
        <Outlet />
      </Suspense>
    </div>
  )
}
