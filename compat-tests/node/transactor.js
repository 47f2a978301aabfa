// A transactional producer on kafkajs that does what it is told. Commands and answers: compat-tests/DESIGN.md.

const fs = require('node:fs')
const readline = require('node:readline')
const { Kafka, logLevel } = require('kafkajs')

const args = Object.fromEntries(process.argv.slice(2).map(word => word.split(/=(.*)/s).slice(0, 2)))
const say = words => fs.writeSync(1, `${args.name} ${words}`.trim() + '\n')

const kafka = new Kafka({
  clientId: args.name,
  brokers: [args.bootstrap],
  logLevel: logLevel.INFO,
  logCreator: () => entry => fs.writeSync(2, JSON.stringify(entry) + '\n'),
  // A broker that is being restarted is waited for.
  retry: { maxRetryTime: 300, retries: 100 },
})
const producer = kafka.producer({
  transactionalId: args.transactional_id,
  transactionTimeout: Number(args.timeout_ms),
  idempotent: true,
  maxInFlightRequests: 1,
  createPartitioner: () => ({ message }) => message.partition,
})
let transaction

const verbs = {
  // It asks for its producer id when the first transaction begins; an empty one says nothing more to the broker.
  init: async () => {
    await producer.connect()
    await (await producer.transaction()).abort()
  },
  begin: async () => { transaction = await producer.transaction() },
  send: async (topic, first, last, value) => {
    const messages = []
    for (let partition = Number(first); partition <= Number(last); partition++) messages.push({ key: '', value, partition })
    await transaction.send({ topic, messages })
  },
  offsets: (consumerGroupId, topic, partition, offset) =>
    transaction.sendOffsets({ consumerGroupId, topics: [{ topic, partitions: [{ partition: Number(partition), offset }] }] }),
  commit: () => transaction.commit(),
  abort: () => transaction.abort(),
  read,
}

// Every partition until the record that says END.
async function read(isolation, topic, partitions) {
  const consumer = kafka.consumer({ groupId: `reads-${isolation}-${topic}`, readUncommitted: isolation === 'uncommitted' })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const found = {}
  let open = Number(partitions)
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
    consumer.run({
      eachMessage: async ({ partition, message }) => {
        const value = message.value.toString()
        if (value !== 'END') (found[partition] ??= []).push(`${value}@${message.offset}`)
        else if (--open === 0) resolve()
      },
    }).catch(reject)
  })
  await consumer.disconnect()
  return Object.keys(found).sort().map(partition => `${partition}:${found[partition].join(',')}`).join(' ')
}

// The kind of an error and its name.
function spoken(error) {
  for (let inner = error; inner; inner = inner.cause ?? inner.originalError) if (inner.type) return `broker ${inner.type}`
  return `other ${error.name}`
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [verb, ...rest] = line.split(' ')
    if (verb === 'leave') {
      say('left')
      break
    }
    try {
      say(`ok ${(await verbs[verb](...rest)) ?? ''}`)
    } catch (error) {
      fs.writeSync(2, `${error.stack}\n`)
      say(`error ${spoken(error)}`)
    }
  }
  // When the commands end, whoever started us is gone.
  process.exit(0)
}

main()
