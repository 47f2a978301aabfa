// A group member on kafkajs with its defaults. Arguments, commands and what it says: compat-tests/DESIGN.md.

const fs = require('node:fs')
const readline = require('node:readline')
const { Kafka, logLevel } = require('kafkajs')

const args = Object.fromEntries(process.argv.slice(2).map(word => word.split(/=(.*)/s).slice(0, 2)))
const topic = args.topic

// One line, one write: other members write to the same pipe. process.stdout would make that pipe non-blocking for everybody.
const say = words => fs.writeSync(1, `${args.name} ${words}\n`)
const shown = partitions => partitions.map(partition => ` ${partition}`).join('')

const kafka = new Kafka({
  clientId: args.name,
  brokers: [args.bootstrap],
  logLevel: logLevel.INFO,
  logCreator: () => entry => fs.writeSync(2, JSON.stringify(entry) + '\n'),
  // A broker that is being restarted is waited for.
  retry: { maxRetryTime: 300, retries: 100 },
})
const consumer = kafka.consumer({
  groupId: args.group,
  sessionTimeout: Number(args.session_ms),
  heartbeatInterval: Number(args.heartbeat_ms),
  // It beats its heart between fetches only.
  maxWaitTimeInMs: 500,
})

// Node.js has zlib.crc32 since 20.15 only.
const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1
  return n
})

function crc32(...parts) {
  let sum = ~0
  for (const part of parts) for (const byte of part ?? []) sum = crcTable[(sum ^ byte) & 0xff] ^ (sum >>> 8)
  return ~sum >>> 0
}

let owned = []

consumer.on(consumer.events.REBALANCING, () => {
  say('revoked' + shown(owned))
  owned = []
})
consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
  // Nobody tells a member that it was forgotten: it joins anew.
  if (owned.length > 0) say('lost' + shown(owned))
  owned = payload.memberAssignment[topic] || []
  say('assigned -' + shown(owned))
})
consumer.on(consumer.events.COMMIT_OFFSETS, ({ payload }) => {
  const offsets = payload.topics.flatMap(({ partitions }) => partitions)
  say('committed' + offsets.map(({ partition, offset }) => ` ${partition}:${offset}`).join(''))
})
consumer.on(consumer.events.CRASH, ({ payload }) => say(`note ${payload.error}`.replaceAll('\n', ' ')))

async function commit(partition, offset) {
  try {
    await consumer.commitOffsets([{ topic, partition, offset }])
  } catch (error) {
    say(`refused ${error}`.replaceAll('\n', ' '))
  }
}

async function obey([verb, ...words]) {
  switch (verb) {
    case 'leave':
      await consumer.disconnect()
      say('revoked' + shown(owned))
      say('left')
      return process.exit(0)
    case 'pause':
      consumer.pause([{ topic, partitions: [Number(words[0])] }])
      return say(`paused ${words[0]}`)
    case 'resume':
      consumer.resume([{ topic, partitions: [Number(words[0])] }])
      return say(`resumed ${words[0]}`)
    case 'seek':
      consumer.seek({ topic, partition: Number(words[0]), offset: words[1] })
      return say(`sought ${words[0]} ${words[1]}`)
    case 'commit':
      return commit(Number(words[1]), words[2])
    default:
      throw new Error(`unknown command ${verb}`)
  }
}

async function run() {
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: args.reset !== 'latest' })
  await consumer.run({
    autoCommit: args.commit !== 'none',
    eachMessage: async ({ partition, message }) => {
      say(`record ${partition} ${message.offset} ${crc32(message.key, message.value).toString(16)}`)
    },
  })
  say('ready')
}

function failed(error) {
  fs.writeSync(2, `${error.stack}\n`)
  say(`failed ${error}`.replaceAll('\n', ' '))
  process.exit(1)
}

// Lines of standard input. When it ends, whoever started us is gone.
readline
  .createInterface({ input: process.stdin })
  .on('line', line => obey(line.trim().split(' ')).catch(failed))
  .on('close', () => process.exit(0))
process.on('unhandledRejection', failed)
run().catch(failed)
