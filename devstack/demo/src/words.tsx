import { ENGLISH, FRENCH, type Messages, Money, messageFor, type Problem } from '@lingualink/backend-client'
import { type ComponentChildren, createContext } from 'preact'
import { useContext, useEffect, useMemo, useState } from 'preact/hooks'

const EN = {
  language: 'Français',
  lead: 'Open this page in two windows, sign in as two people, and watch a balance move from one to the other.',
  email: 'E-mail',
  password: 'Password',
  signIn: 'Sign in',
  signingIn: 'Signing in …',
  signOut: 'Sign out',
  live: 'Live',
  reconnecting: 'Reconnecting …',
  loading: 'Loading',
  somebody: 'somebody',
  roles: { user: 'user', moderator: 'moderator', admin: 'admin' } as Record<string, string>,
  balance: 'Balance',
  received: (amount: string) => `${amount} has arrived.`,
  decided: (title: string, status: string) => `Your post “${title}” is ${status} now.`,
  yourPost: 'post',
  send: 'Send money',
  sendNow: 'Send',
  sending: 'Sending …',
  to: 'To',
  choose: 'Choose somebody',
  amount: 'Amount',
  note: 'Note',
  optional: '(optional)',
  sent: (amount: string, name: string) => `Sent ${amount} to ${name}.`,
  noAmount: 'Enter an amount such as 12.50.',
  unknown: 'We do not know yet whether it went through.',
  check: 'Find out',
  another: 'Give it up',
  withdraw: 'Withdraw',
  withdrawNow: 'Withdraw money',
  withdrawing: 'Withdrawing …',
  withdrawn: (amount: string) => `${amount} is on its way to you.`,
  history: 'History',
  transactions: 'Transactions',
  withdrawals: 'Withdrawals',
  nothingYet: 'Nothing yet. What you send and receive appears here.',
  noWithdrawals: 'No withdrawals yet.',
  older: 'Show older',
  after: (balance: string) => `${balance} after it`,
  statement: 'Statement',
  month: 'Month',
  opening: 'At the beginning',
  closing: 'At the end',
  download: 'Download (CSV)',
  noFile: 'The file could not be read. Try again.',
  totals: {
    earning: 'Earned with posts',
    bonus: 'Bonuses',
    refund: 'Refunds',
    penalty: 'Penalties',
    transfer_out: 'Sent',
    transfer_in: 'Received',
    withdrawal: 'Withdrawn',
    reversal: 'Corrected',
    opening: 'Opening balance',
  } as Record<string, string>,
  verified: 'Verified',
  faults: {
    hash: 'A row of this ledger is not what its hash says',
    gap: 'Rows of this ledger are missing',
    balance: 'A balance of this ledger is not the sum of its rows',
    rewritten: 'This ledger was rewritten',
  } as Record<string, string>,
  kinds: {
    earning: 'Earned with a post',
    bonus: 'Bonus',
    refund: 'Refund',
    penalty: 'Penalty',
    transfer_out: 'Sent to',
    transfer_in: 'Received from',
    withdrawal: 'Withdrawn',
    reversal: 'Corrected',
    opening: 'Opening balance',
  } as Record<string, string>,
  statuses: {
    pending: 'waiting',
    approved: 'approved',
    rejected: 'rejected',
    held: 'on its way',
    completed: 'paid out',
    failed: 'failed, the money is back',
  } as Record<string, string>,
  posts: 'My posts',
  noPosts: 'You have not posted yet.',
  newPost: 'New post',
  postTitle: 'Title',
  postBody: 'Text',
  postLanguage: 'Language',
  postKind: 'Kind',
  postKinds: { text: 'text', voice: 'voice', video: 'video' } as Record<string, string>,
  mediaUrl: 'Address of the recording',
  record: 'Record',
  stop: 'Stop recording',
  post: 'Post',
  posted: 'Your post waits for a moderator.',
  remove: 'Delete',
  queue: 'Posts to validate',
  emptyQueue: 'The queue is empty.',
  everyLanguage: 'every language',
  everyKind: 'every kind',
  by: (name: string) => `by ${name}`,
  ownPost: 'Your own post: another moderator decides.',
  approve: 'Approve',
  reject: 'Reject',
  reason: 'Reason',
  why: 'Why? The author will read it.',
  cancel: 'Cancel',
  approving: (title: string) => `“${title}” is being approved.`,
  rejecting: (title: string) => `“${title}” is being rejected.`,
  undo: 'Undo',
  settlements: 'Withdrawals to settle',
  nothingToSettle: 'Nothing waits to be settled.',
  paid: 'Paid',
  failed: 'Failed',
  cheat: 'Try to cheat',
  cheatLead:
    'You hold a real session and the Supabase SDK, as every user of the app does. Nothing below goes through the backend: the database itself answers.',
  cheats: {
    balance: 'Give myself a million',
    role: 'Make myself admin',
    approve: 'Approve my own post',
    wallet: 'Read somebody’s wallet',
    topic: 'Send a forged event to somebody',
  } as Record<string, string>,
  refused: (what: string) => `Refused: ${what}`,
  nothingSeen: 'Nothing: row level security shows no such row.',
  itWorked: 'It worked. That is a hole.',
}

/** All that the page says. */
export type Words = typeof EN

const FR: Words = {
  language: 'English',
  lead: 'Ouvrez cette page dans deux fenêtres, connectez-vous comme deux personnes, et voyez un solde passer de l’une à l’autre.',
  email: 'E-mail',
  password: 'Mot de passe',
  signIn: 'Se connecter',
  signingIn: 'Connexion …',
  signOut: 'Se déconnecter',
  live: 'En direct',
  reconnecting: 'Reconnexion …',
  loading: 'Chargement',
  somebody: 'quelqu’un',
  roles: { user: 'utilisateur', moderator: 'modérateur', admin: 'administrateur' },
  balance: 'Solde',
  received: (amount) => `${amount} sont arrivés.`,
  decided: (title, status) => `Votre contribution « ${title} » est maintenant : ${status}.`,
  yourPost: 'contribution',
  send: 'Envoyer de l’argent',
  sendNow: 'Envoyer',
  sending: 'Envoi …',
  to: 'À',
  choose: 'Choisissez quelqu’un',
  amount: 'Montant',
  note: 'Message',
  optional: '(facultatif)',
  sent: (amount, name) => `${amount} envoyés à ${name}.`,
  noAmount: 'Saisissez un montant tel que 12,50.',
  unknown: 'Nous ne savons pas encore si cela a abouti.',
  check: 'Vérifier',
  another: 'Abandonner',
  withdraw: 'Retirer',
  withdrawNow: 'Retirer de l’argent',
  withdrawing: 'Retrait …',
  withdrawn: (amount) => `${amount} sont en route vers vous.`,
  history: 'Historique',
  transactions: 'Opérations',
  withdrawals: 'Retraits',
  nothingYet: 'Rien encore. Ce que vous envoyez et recevez apparaît ici.',
  noWithdrawals: 'Aucun retrait.',
  older: 'Plus anciens',
  after: (balance) => `${balance} ensuite`,
  statement: 'Relevé',
  month: 'Mois',
  opening: 'Au début',
  closing: 'À la fin',
  download: 'Télécharger (CSV)',
  noFile: 'Le fichier n’a pas pu être lu. Réessayez.',
  totals: {
    earning: 'Gagné avec des contributions',
    bonus: 'Primes',
    refund: 'Remboursements',
    penalty: 'Pénalités',
    transfer_out: 'Envoyé',
    transfer_in: 'Reçu',
    withdrawal: 'Retiré',
    reversal: 'Corrigé',
    opening: 'Solde d’ouverture',
  },
  verified: 'Vérifié',
  faults: {
    hash: 'Une ligne de ce registre n’est pas ce que dit son empreinte',
    gap: 'Des lignes de ce registre manquent',
    balance: 'Un solde de ce registre n’est pas la somme de ses lignes',
    rewritten: 'Ce registre a été réécrit',
  },
  kinds: {
    earning: 'Gagné avec une contribution',
    bonus: 'Prime',
    refund: 'Remboursement',
    penalty: 'Pénalité',
    transfer_out: 'Envoyé à',
    transfer_in: 'Reçu de',
    withdrawal: 'Retiré',
    reversal: 'Corrigé',
    opening: 'Solde d’ouverture',
  },
  statuses: {
    pending: 'en attente',
    approved: 'approuvée',
    rejected: 'refusée',
    held: 'en route',
    completed: 'versé',
    failed: 'échoué, l’argent est revenu',
  },
  posts: 'Mes contributions',
  noPosts: 'Vous n’avez encore rien publié.',
  newPost: 'Nouvelle contribution',
  postTitle: 'Titre',
  postBody: 'Texte',
  postLanguage: 'Langue',
  postKind: 'Genre',
  postKinds: { text: 'texte', voice: 'voix', video: 'vidéo' },
  mediaUrl: 'Adresse de l’enregistrement',
  record: 'Enregistrer',
  stop: 'Arrêter l’enregistrement',
  post: 'Publier',
  posted: 'Votre contribution attend un modérateur.',
  remove: 'Supprimer',
  queue: 'Contributions à valider',
  emptyQueue: 'La file est vide.',
  everyLanguage: 'toutes les langues',
  everyKind: 'tous les genres',
  by: (name) => `par ${name}`,
  ownPost: 'Votre propre contribution : un autre modérateur décide.',
  approve: 'Approuver',
  reject: 'Refuser',
  reason: 'Motif',
  why: 'Pourquoi ? L’auteur le lira.',
  cancel: 'Annuler',
  approving: (title) => `« ${title} » va être approuvée.`,
  rejecting: (title) => `« ${title} » va être refusée.`,
  undo: 'Revenir',
  settlements: 'Retraits à régler',
  nothingToSettle: 'Rien n’attend d’être réglé.',
  paid: 'Versé',
  failed: 'Échoué',
  cheat: 'Essayer de tricher',
  cheatLead:
    'Vous avez une vraie session et le SDK de Supabase, comme tout utilisateur de l’application. Rien de ceci ne passe par le service : c’est la base de données qui répond.',
  cheats: {
    balance: 'Me donner un million',
    role: 'Me faire administrateur',
    approve: 'Approuver ma contribution',
    wallet: 'Lire le portefeuille d’autrui',
    topic: 'Envoyer un faux événement à autrui',
  },
  refused: (what) => `Refusé : ${what}`,
  nothingSeen: 'Rien : la sécurité par ligne ne montre pas cette ligne.',
  itWorked: 'Cela a marché. C’est une faille.',
}

type Language = 'en' | 'fr'
const TABLES: Record<Language, { words: Words; messages: Messages }> = {
  en: { words: EN, messages: ENGLISH },
  fr: { words: FR, messages: FRENCH },
}

/** The words of the language that was chosen, and what follows from it. */
export interface Speech {
  words: Words
  /** Switch to the other language. */
  switchLanguage(): void
  /** What went wrong, for whoever sees it. */
  say(problem: Problem): string
  /** An amount with its currency. */
  money(amount: string, currency: string): string
  /** A date and a time. */
  time(at: string): string
}

const SpeechContext = createContext<Speech | null>(null)

/** What the page says, in the language that was chosen. */
export function useSpeech(): Speech {
  const speech = useContext(SpeechContext)
  if (speech === null) throw new Error('outside of <Speaking>')
  return speech
}

/** Everything inside speaks the browser's language, or the one that was chosen in this window. */
export function Speaking({ children }: { children: ComponentChildren }) {
  const [language, setLanguage] = useState<Language>(() => {
    const wanted = sessionStorage.getItem('language') ?? navigator.language
    return wanted.startsWith('fr') ? 'fr' : 'en'
  })
  useEffect(() => {
    document.documentElement.lang = language
    sessionStorage.setItem('language', language)
  }, [language])
  const speech = useMemo<Speech>(() => {
    const { words, messages } = TABLES[language]
    const clock = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' })
    return {
      words,
      switchLanguage: () => setLanguage(language === 'en' ? 'fr' : 'en'),
      say: (problem) => messageFor(problem, messages),
      money: (amount, currency) => Money.of(amount).format({ currency, locale: language }),
      time: (at) => clock.format(new Date(at)),
    }
  }, [language])
  return <SpeechContext.Provider value={speech}>{children}</SpeechContext.Provider>
}
